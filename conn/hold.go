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
	// leastPatience is how long a held Handshake waits for the peer to repeat its SYN. The first retransmission comes after 1
	// second [RFC 6298 2], or 3 from older systems, and may be lost.
	leastPatience = 7 * time.Second
	// patienceFactor is the number of intervals between SYNs after which the peer has given up. It doubles its timeout with
	// each retransmission, one of which may be lost.
	patienceFactor = 7
	// holdProbeInterval is the time between two probes of the peer.
	holdProbeInterval = 700 * time.Millisecond
)

// Hold makes the Handshake wait for a decision before it answers the SYN: Release answers it. The driver drops the Handshake to
// decide otherwise.
//
// While it is held, a repetition of the SYN is noted and not answered. The Handshake becomes [HandshakeDead] when the peer resets the
// connection, when it does not repeat the SYN for longer than its retransmissions can take, and when it no longer has the
// connection. To notice the last, it is sent a segment without flags every 700 ms. A peer in SYN-SENT ignores such a segment
// [RFC 9293 3.10.7.3], while one that has no connection answers with a RST [RFC 9293 3.10.7.1].
func (h *Handshake) Hold(now Time) {
	h.held = &hold{syn: now, probeAt: now.Add(holdProbeInterval)}
	h.synAckDue = false
	h.deadline, h.giveUp = h.held.probeAt, now.Add(leastPatience)
}

// Held reports whether the Handshake waits for a decision.
func (h *Handshake) Held() bool { return h.held != nil }

// Release ends Hold: the SYN is answered with the next Transmit.
func (h *Handshake) Release(now Time) {
	h.held = nil
	h.synAckDue = true
	h.deadline, h.giveUp = Never, now.Add(h.cfg.SYNTimeout)
}

// advanceHeld is Advance while the Handshake is held.
func (h *Handshake) advanceHeld(now Time) {
	switch {
	case now >= h.giveUp:
		h.end()
	case now >= h.held.probeAt:
		h.held.probeDue = true
		h.held.probeAt = now.Add(holdProbeInterval)
		h.deadline = h.held.probeAt
	}
}

// receiveHeld is Receive while the Handshake is held.
func (h *Handshake) receiveHeld(now Time, s *Segment) Verdict {
	f := s.TCP.Flags
	at := seq.Unwrap(h.irs, 1, s.TCP.Seq)
	switch {
	case f.Has(wire.RST):
		// The peer aborts, or it has no connection and answers a probe. Both name a number that only it knows.
		if !f.Has(wire.ACK) && at == 1 || f.Has(wire.ACK) && s.TCP.Ack == h.params.ISS {
			h.end()
			return VerdictReset
		}
		return VerdictIgnored
	case !f.Has(wire.SYN) || f.Has(wire.ACK):
		return VerdictIgnored
	case at != 0: // the peer has given up and begins again
		h.end()
		return VerdictReopen
	}
	held := h.held
	held.interval, held.syn = now.Sub(held.syn), now
	h.giveUp = now.Add(max(leastPatience, patienceFactor*held.interval))
	if h.timestamps && s.TCP.Options.HasTimestamps {
		h.tsRecent, h.tsRecentAt = s.TCP.Options.TSVal, now
	}
	h.peerWindow = s.TCP.Window
	h.ecn.received(f)
	return VerdictDuplicate
}

// transmitHoldProbe builds the segment that a peer without the connection answers.
func (h *Handshake) transmitHoldProbe(out *Outgoing) {
	h.held.probeDue = false
	out.reset(0)
	out.TCP.Seq = h.params.ISS
	out.Note = NoteKeepAlive
}

// end makes the Handshake dead.
func (h *Handshake) end() {
	h.state = HandshakeDead
	h.deadline, h.giveUp = Never, Never
}

// Silence ends the probes of a held Handshake.
func (h *Handshake) Silence() {
	h.held.probeAt, h.held.probeDue = Never, false
	h.deadline = Never
}
