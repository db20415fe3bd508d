package conn

import (
	"time"

	"minitcp/conn/seq"
	"minitcp/conn/wire"
)

// hold is the state of a [Handshake] that does not reply to the SYN until the driver has decided to accept the
// connection.
type hold struct {
	syn      Time          // arrival time of the last SYN
	interval time.Duration // time between the last two SYNs, 0 after one
	probeAt  Time
	probeDue bool
}

const (
	// leastSYNTimeout is the least time for which a held Handshake waits for the peer to retransmit its SYN. The first
	// retransmission follows after 1 second [RFC 6298 2], or 3 on older systems, and may be lost.
	leastSYNTimeout = 7 * time.Second
	// synTimeoutFactor is the number of intervals between SYNs after which the peer has given up. The peer doubles its
	// timeout with each retransmission, one of which may be lost.
	synTimeoutFactor = 7
	// holdProbeInterval is the time between probes of the peer.
	holdProbeInterval = 700 * time.Millisecond
)

// Hold delays the reply to the SYN until the driver calls Release or drops the Handshake.
//
// While it is held, retransmissions of the SYN are recorded and cause no reply. The Handshake becomes [HandshakeDead]
// if the peer resets the connection, if it does not retransmit the SYN in time, and if it has lost its connection. For
// the last, the Handshake sends a segment without flags every 700 ms. A peer in SYN-SENT ignores such a segment [RFC
// 9293 3.10.7.3], while a peer without the connection replies with a RST [RFC 9293 3.10.7.1].
func (h *Handshake) Hold(now Time) {
	h.held = &hold{syn: now, probeAt: now.Add(holdProbeInterval)}
	h.synAckDue = false
	h.deadline, h.giveUp = h.held.probeAt, now.Add(leastSYNTimeout)
}

// Release ends Hold. The next Transmit sends the SYN-ACK.
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
		// The peer aborts, or it has no connection and replies to a probe. Either RST has a number that an attacker must
		// guess.
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
	h.giveUp = now.Add(max(leastSYNTimeout, synTimeoutFactor*held.interval))
	if h.timestamps && s.TCP.Options.HasTimestamps {
		h.ts.Take(now, s.TCP.Options.TSVal)
	}
	h.peerWindow = s.TCP.Window
	h.ecn.Received(f)
	return VerdictDuplicate
}

// transmitHoldProbe builds a segment without flags, to which a peer without the connection replies.
func (h *Handshake) transmitHoldProbe(out *Outgoing) {
	h.held.probeDue = false
	out.reset(0)
	out.TCP.Seq = h.params.ISS
	out.Note = NoteKeepAlive
}

// end sets the state HandshakeDead.
func (h *Handshake) end() {
	h.state = HandshakeDead
	h.deadline, h.giveUp = Never, Never
}

// Silence ends the probes of a held Handshake.
func (h *Handshake) Silence() {
	h.held.probeAt, h.held.probeDue = Never, false
	h.deadline = Never
}
