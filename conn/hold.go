package conn

import (
	"time"

	"minitcp/conn/seq"
	"minitcp/conn/wire"
)

// hold is the state of an [Handshake] that does not answer the SYN yet: whether there will be a connection is not decided.
type hold struct {
	syn      Time          // when the SYN, or its last repetition, arrived
	interval time.Duration // between the last two of them, 0 while there was one
	probeAt  Time
	probeDue bool
}

const (
	// leastPatience is how long a held Embryo waits for the peer to repeat its SYN. The first retransmission comes after 1
	// second [RFC 6298 2], or 3 from older systems, and may be lost.
	leastPatience = 7 * time.Second
	// patienceFactor is the number of intervals between SYNs after which the peer has given up. It doubles its timeout with
	// each retransmission, one of which may be lost.
	patienceFactor = 7
	// holdProbeInterval is the time between two probes of the peer.
	holdProbeInterval = 700 * time.Millisecond
)

// Hold makes the Embryo wait for a decision before it answers the SYN: Release answers it. The driver drops the Embryo to
// decide otherwise.
//
// While it is held, a repetition of the SYN is noted and not answered. The Embryo becomes [HandshakeDead] when the peer resets the
// connection, when it does not repeat the SYN for longer than its retransmissions can take, and when it no longer has the
// connection. To notice the last, it is sent a segment without flags every 700 ms. A peer in SYN-SENT ignores such a segment
// [RFC 9293 3.10.7.3], while one that has no connection answers with a RST [RFC 9293 3.10.7.1].
func (e *Handshake) Hold(now Time) {
	e.held = &hold{syn: now, probeAt: now.Add(holdProbeInterval)}
	e.synAckDue = false
	e.deadline, e.giveUp = e.held.probeAt, now.Add(leastPatience)
}

// Held reports whether the Embryo waits for a decision.
func (e *Handshake) Held() bool { return e.held != nil }

// Release ends Hold: the SYN is answered with the next Transmit.
func (e *Handshake) Release(now Time) {
	e.held = nil
	e.synAckDue = true
	e.deadline, e.giveUp = Never, now.Add(e.cfg.SYNTimeout)
}

// advanceHeld is Advance while the Embryo is held.
func (e *Handshake) advanceHeld(now Time) {
	switch {
	case now >= e.giveUp:
		e.end()
	case now >= e.held.probeAt:
		e.held.probeDue = true
		e.held.probeAt = now.Add(holdProbeInterval)
		e.deadline = e.held.probeAt
	}
}

// receiveHeld is Receive while the Embryo is held.
func (e *Handshake) receiveHeld(now Time, s *Segment) Verdict {
	f := s.TCP.Flags
	at := seq.Unwrap(e.irs, 1, s.TCP.Seq)
	switch {
	case f.Has(wire.RST):
		// The peer aborts, or it has no connection and answers a probe. Both name a number that only it knows.
		if !f.Has(wire.ACK) && at == 1 || f.Has(wire.ACK) && s.TCP.Ack == e.params.ISS {
			e.end()
			return VerdictReset
		}
		return VerdictIgnored
	case !f.Has(wire.SYN) || f.Has(wire.ACK):
		return VerdictIgnored
	case at != 0: // the peer has given up and begins again
		e.end()
		return VerdictReopen
	}
	h := e.held
	h.interval, h.syn = now.Sub(h.syn), now
	e.giveUp = now.Add(max(leastPatience, patienceFactor*h.interval))
	if e.timestamps && s.TCP.Options.HasTimestamps {
		e.tsRecent, e.tsRecentAt = s.TCP.Options.TSVal, now
	}
	e.peerWindow = s.TCP.Window
	e.ecn.received(f)
	return VerdictDuplicate
}

// transmitHoldProbe builds the segment that a peer without the connection answers.
func (e *Handshake) transmitHoldProbe(out *Outgoing) {
	e.held.probeDue = false
	out.reset(0)
	out.TCP.Seq = e.params.ISS
	out.Note = NoteKeepAlive
}

// end makes the Embryo dead.
func (e *Handshake) end() {
	e.state = HandshakeDead
	e.deadline, e.giveUp = Never, Never
}

// Silence ends the probes of a held Embryo.
func (e *Handshake) Silence() {
	e.held.probeAt, e.held.probeDue = Never, false
	e.deadline = Never
}
