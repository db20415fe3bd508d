// Package hold has the times of a handshake that does not reply to the SYN yet: of probes of the peer, and of the end
// of the peer's attempts to connect.
package hold

import (
	"time"

	"minitcp/conn/clock"
)

const (
	// leastTimeout is the least time for which the peer may not retransmit its SYN. The first retransmission follows after
	// 1 second [RFC 6298 2], or 3 on older systems, and may be lost.
	leastTimeout = 7 * time.Second
	// timeoutFactor is the number of intervals between SYNs after which the peer has given up. The peer doubles its
	// timeout with each retransmission, one of which may be lost.
	timeoutFactor = 7
	// probeInterval is the time between probes of the peer.
	probeInterval = 700 * time.Millisecond
)

// Hold is the state of the handshake.
type Hold struct {
	ProbeDue bool // the next segment is a probe

	syn     clock.Time // arrival time of the last SYN
	probeAt clock.Time // time of the next probe
	giveUp  clock.Time
}

// Begin returns the Hold of a handshake whose SYN arrives now.
func Begin(now clock.Time) Hold {
	return Hold{syn: now, probeAt: now.Add(probeInterval), giveUp: now.Add(leastTimeout)}
}

// Repeated takes a retransmission of the SYN.
func (h *Hold) Repeated(now clock.Time) {
	h.giveUp = now.Add(max(leastTimeout, timeoutFactor*now.Sub(h.syn)))
	h.syn = now
}

// Silence ends the probes.
func (h *Hold) Silence() { h.probeAt, h.ProbeDue = clock.Never, false }

// Deadline returns the time by which Advance must be called.
func (h *Hold) Deadline() clock.Time { return min(h.probeAt, h.giveUp) }

// Advance makes a probe due if it is time, and reports whether the peer has given up.
func (h *Hold) Advance(now clock.Time) (over bool) {
	if now >= h.giveUp {
		return true
	}
	if now >= h.probeAt {
		h.ProbeDue, h.probeAt = true, now.Add(probeInterval)
	}
	return false
}
