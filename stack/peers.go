package stack

import (
	"sync"
	"time"

	"minitcp/conn"
)

// peers remembers how short a round trip to a host has been lately, for all connections to it (RFC 9040 4 shares what
// belongs to a path). A connection that opens while many others are busy measures their queue: its own shortest round trip
// may be a thousand times that of the path.
//
// There are a few slots, in which hosts displace each other: what is forgotten is measured again.
type peers struct {
	slots [peerSlots]peer
}

type peer struct {
	mu       sync.Mutex
	host     address
	shortest time.Duration
	at       conn.Time // when it was measured last
}

const (
	peerSlots = 256
	// peerTime is how long a measurement is believed, after which the path may be another.
	peerTime = 5 * time.Minute
)

// meet takes what a connection to the host has measured, and returns the shortest of late.
func (p *peers) meet(now conn.Time, host address, rtt time.Duration) time.Duration {
	slot := &p.slots[(host.hi^host.lo^host.lo>>8^host.lo>>16)%peerSlots]
	slot.mu.Lock()
	defer slot.mu.Unlock()
	if slot.host != host || rtt <= slot.shortest || now.Sub(slot.at) > peerTime {
		slot.host, slot.shortest, slot.at = host, rtt, now
	}
	return slot.shortest
}

// meeting is the eighth of a second in which a connection met the peers last, in a byte; 0: in none.
type meeting uint8

func meetingAt(now conn.Time) meeting { return meeting(now/conn.Time(time.Second/8)%255 + 1) }

// meet exchanges with the peers what is known of the path, once e's connection has measured something; and again now and then
// while that is not short: one that only receives measures nothing more, and the first of many to open may have been late.
func (s *Stack) meet(now conn.Time, e *entry, tcp *conn.Conn) {
	if e.met != 0 && tcp.Nearby() {
		return
	}
	at, rtt := meetingAt(now), tcp.MeasuredRTT()
	if rtt != 0 && e.met != at {
		e.met = at
		tcp.KnowRTT(s.peers.meet(now, e.key.remote, rtt))
	}
}
