package conn

import (
	"minitcp/conn/challenge"
	"minitcp/conn/seq"
	"minitcp/conn/timestamps"
	"minitcp/conn/window"
	"minitcp/conn/wire"
)

// TimeWaitConn is a connection in TIME-WAIT. It acknowledges retransmissions of the peer's FIN and keeps old segments
// out of a new connection (RFC 9293 3.6, MUST-13).
type TimeWaitConn struct {
	cfg        *Config
	iss, irs   uint32
	nxt        uint32 // SND.NXT
	rcvNxt     uint32
	window     uint32
	timestamps bool
	ts         timestamps.State
	deadline   Time
	ackDue     bool
	scale      uint8
	challenge  challenge.Limit
	challenged bool // an ACK has been sent in reply to a SYN
	feedback   wire.Flags
}

// TimeWait returns the TimeWaitConn of a connection whose state is TimeWait and whose Transmit has returned false. The
// Conn may be used for reading the data that has arrived, and for nothing else.
func (c *Conn) TimeWait(now Time) *TimeWaitConn {
	return &TimeWaitConn{
		cfg: c.cfg, iss: c.snd.iss, irs: c.rcv.irs,
		nxt:    seq.Wire(c.snd.iss, c.snd.max),
		rcvNxt: seq.Wire(c.rcv.irs, c.rcv.nxt()),
		window: uint32(max(0, c.rcv.wnd.Edge-c.rcv.nxt())), scale: c.rcv.scale,
		timestamps: c.timestamps, ts: c.ts, feedback: c.feedback(),
		deadline: now.Add(c.cfg.TimeWait),
	}
}

// Deadline returns the end of TIME-WAIT.
func (t *TimeWaitConn) Deadline() Time { return t.deadline }

// Expired reports whether TIME-WAIT has ended.
func (t *TimeWaitConn) Expired(now Time) bool { return now >= t.deadline }

// ISS and IRS return the initial send and receive sequence numbers.
func (t *TimeWaitConn) ISS() uint32 { return t.iss }
func (t *TimeWaitConn) IRS() uint32 { return t.irs }

// Receive processes a segment (RFC 9293 3.10.7.4 for TIME-WAIT). Only a retransmitted FIN restarts the time of 2 MSL.
// VerdictReopen means that the segment is a SYN that cannot belong to the old connection. If there is a listener for
// it, the driver drops the TimeWaitConn and treats the SYN as in LISTEN, with an initial sequence number from
// [TimeWaitConn.ISN]. Otherwise it calls Refuse.
//
// A RST is ignored, since it must not end TIME-WAIT early (RFC 1337), with one exception: after an ACK in reply to a
// SYN, a RST at exactly RCV.NXT ends TIME-WAIT. A peer that has rebooted and reuses its port sends this RST in reply to
// the ACK, and its next SYN opens a connection.
func (t *TimeWaitConn) Receive(now Time, s *Segment) Verdict {
	f := s.TCP.Flags
	switch {
	case f.Has(wire.RST):
		if t.challenged && s.TCP.Seq == t.rcvNxt {
			t.deadline = now
			return VerdictReset
		}
		return VerdictIgnored
	case ReceiveListen(f) == ListenOpen && t.newer(now, &s.TCP):
		return VerdictReopen
	case t.timestamps && s.TCP.Options.HasTimestamps && seq.Less(s.TCP.Options.TSVal, t.ts.Recent):
		t.acknowledge(now, f)
		return VerdictOldTimestamp
	case f.Has(wire.FIN|wire.ACK) && !f.Has(wire.SYN) && s.TCP.Seq+uint32(len(s.Data))+1 == t.rcvNxt:
		t.acknowledge(now, f)
		t.deadline = now.Add(t.cfg.TimeWait)
		return VerdictDuplicate
	case s.length() > 0 || s.TCP.Seq != t.rcvNxt:
		t.acknowledge(now, f)
		return VerdictOutOfWindow
	}
	return VerdictIgnored
}

// acknowledge sends an ACK in reply to a segment with the flags f, a limited number of times in five seconds.
func (t *TimeWaitConn) acknowledge(now Time, f wire.Flags) {
	t.ackDue = t.challenge.Allow(now, f)
	t.challenged = t.challenged || t.ackDue && f.Has(wire.SYN)
}

// Refuse makes TIME-WAIT continue after a VerdictReopen. Otherwise any host could end TIME-WAIT with a SYN to a port
// that has no listener (RFC 9293 3.6.1).
func (t *TimeWaitConn) Refuse(now Time) { t.acknowledge(now, wire.SYN) }

// newer reports whether a SYN belongs to a new incarnation of the connection, by its timestamp or else by its sequence
// number (RFC 6191 2, RFC 9293 3.6.1, MAY-2, SHLD-4).
func (t *TimeWaitConn) newer(now Time, h *wire.TCP) bool {
	if o := &h.Options; t.timestamps && o.HasTimestamps && o.TSVal != t.ts.Recent {
		return !t.ts.Older(now, o.TSVal)
	}
	return seq.Less(t.rcvNxt-1, h.Seq)
}

// ISN returns iss, or a number beyond all numbers of the old incarnation if iss is not (RFC 9293 3.6.1).
func (t *TimeWaitConn) ISN(iss uint32) uint32 {
	if least := t.nxt + window.MaxField + 2; seq.Less(iss, least) {
		return least
	}
	return iss
}

// Transmit builds the next segment; see [Conn.Transmit].
func (t *TimeWaitConn) Transmit(now Time, _ int, out *Outgoing) bool {
	if !t.ackDue {
		return false
	}
	t.ackDue = false
	out.reset(wire.ACK | t.feedback)
	out.TCP.Seq, out.TCP.Ack = t.nxt, t.rcvNxt
	out.TCP.Window = uint16(min(t.window>>t.scale, window.MaxField))
	if t.timestamps {
		o := &out.TCP.Options
		o.HasTimestamps, o.TSVal, o.TSEcr = true, t.ts.Clock(now), t.ts.Recent
	}
	out.Note = NoteDuplicateACK
	return true
}

// Advance has no effect. The driver checks Expired instead.
func (t *TimeWaitConn) Advance(Time) {}
