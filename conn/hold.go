package conn

import (
	"minitcp/conn/hold"
	"minitcp/conn/seq"
	"minitcp/conn/wire"
)

// Hold delays the reply to the SYN until the driver calls Release or drops the Handshake.
//
// While it is held, retransmissions of the SYN are recorded and cause no reply. The state becomes [Closed] if the peer
// resets the connection, if it does not retransmit the SYN in time, and if it has lost its connection. To learn of
// the last, the Handshake sends a segment without flags every 700 ms. A peer in SYN-SENT ignores such a segment [RFC
// 9293 3.10.7.3], while a peer without the connection replies with a RST [RFC 9293 3.10.7.1].
func (h *Handshake) Hold(now Time) {
	held := hold.Begin(now)
	h.held, h.synAckDue = &held, false
	h.deadline, h.giveUp = Never, Never
}

// Release ends Hold. The next Transmit sends the SYN-ACK.
func (h *Handshake) Release(now Time) {
	h.held = nil
	h.synAckDue = true
	h.deadline, h.giveUp = Never, now.Add(h.cfg.SYNTimeout)
}

// receiveHeld implements Receive while the Handshake is held.
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
	h.held.Repeated(now)
	if h.timestamps && s.TCP.Options.HasTimestamps {
		h.ts.Take(now, s.TCP.Options.TSVal)
	}
	h.peerWindow = s.TCP.Window
	if h.receivedSYN(s) {
		return VerdictReset
	}
	return VerdictDuplicate
}

// transmitHoldProbe builds a segment without flags, to which a peer without the connection replies, if it is due.
func (h *Handshake) transmitHoldProbe(out *Outgoing) bool {
	if !h.held.ProbeDue {
		return false
	}
	h.held.ProbeDue = false
	out.reset(0)
	out.TCP.Seq = h.params.ISS
	out.Note = NoteKeepAlive
	return true
}

// end sets the state Closed.
func (h *Handshake) end() {
	h.state, h.held = Closed, nil
	h.deadline, h.giveUp = Never, Never
}

// Silence ends the probes of a held Handshake.
func (h *Handshake) Silence() {
	if h.held != nil {
		h.held.Silence()
	}
}
