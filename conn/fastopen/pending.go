package fastopen

import (
	"time"

	"minitcp/conn/clock"
)

// Pending counts the connections of a listener that have begun with a cookie and wait for the first ACK. A client
// whose cookie was stolen may not know of them. Its zero value has none.
type Pending struct {
	waiting int
	resets  []clock.Time // ends of the places of reset connections, in ascending order
}

// resetHold is the time for which a connection that the peer has reset keeps its place. The RST may come from a host
// whose address is forged in a flood of SYNs with a stolen cookie: the RSTs must not make room for more of them [RFC
// 7413 5.1]. It is Linux's.
const resetHold = 60 * time.Second

// Enter counts a new connection. It returns false, and counts nothing, if there are limit of them.
func (p *Pending) Enter(now clock.Time, limit int) bool {
	for len(p.resets) > 0 && now >= p.resets[0] {
		p.resets = p.resets[1:]
	}
	if p.waiting+len(p.resets) >= limit {
		return false
	}
	p.waiting++
	return true
}

// Leave ends the place of a connection that is established, or that has ended without a RST.
func (p *Pending) Leave() { p.waiting-- }

// Reset ends the place of a connection that the peer has reset, after resetHold.
func (p *Pending) Reset(now clock.Time) {
	p.waiting--
	p.resets = append(p.resets, now.Add(resetHold))
}
