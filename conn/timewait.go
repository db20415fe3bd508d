package conn

import (
	"minitcp/conn/seq"
	"minitcp/conn/wire"
)

// TimeWaitConn is what is left of a connection in TIME-WAIT: enough to acknowledge a FIN that comes again and to keep old
// segments from being taken for a new connection's (RFC 9293 3.6, MUST-13).
type TimeWaitConn struct {
	cfg        *Config
	iss, irs   uint32
	nxt        uint32 // SND.NXT
	rcvNxt     uint32
	window     uint32
	timestamps bool
	tsRecent   uint32
	tsRecentAt Time
	tsOffset   uint32
	deadline   Time
	ackDue     bool
	scale      uint8
	challenge  challengeLimit
	challenged bool // a SYN has been answered with an ACK
}

// TimeWait returns the small form of a connection in TIME-WAIT. The Conn is then good for nothing but reading what has
// arrived. Transmit must have been drained.
func (c *Conn) TimeWait(now Time) *TimeWaitConn {
	return &TimeWaitConn{
		cfg: c.cfg, iss: c.snd.iss, irs: c.rcv.irs,
		nxt:    seq.Wire(c.snd.iss, c.snd.max),
		rcvNxt: seq.Wire(c.rcv.irs, c.rcv.nxt()),
		window: uint32(max(0, c.rcv.edge-c.rcv.nxt())), scale: c.rcv.scale,
		timestamps: c.timestamps, tsRecent: c.tsRecent, tsRecentAt: c.tsRecentAt, tsOffset: c.tsOffset,
		deadline: now.Add(c.cfg.TimeWait),
	}
}

// Deadline is when TIME-WAIT ends.
func (t *TimeWaitConn) Deadline() Time { return t.deadline }

// Expired reports whether it has ended.
func (t *TimeWaitConn) Expired(now Time) bool { return now >= t.deadline }

// ISS and IRS are the two initial sequence numbers.
func (t *TimeWaitConn) ISS() uint32 { return t.iss }
func (t *TimeWaitConn) IRS() uint32 { return t.irs }

// Receive takes a segment (RFC 9293 3.10.7.4 for TIME-WAIT). A retransmitted FIN, and only that, starts the 2 MSL anew.
// VerdictReopen means that the segment is a SYN that cannot belong to the old connection: if there is a listener for it,
// forget the TimeWaitConn and treat the SYN as for LISTEN, with an initial sequence number from ISN; if there is none, call
// Refuse.
//
// A RST is ignored, since it must not end TIME-WAIT early (RFC 1337), with one exception: after a SYN that was answered with
// an ACK, a RST at exactly RCV.NXT ends TIME-WAIT. A peer that has rebooted and uses its port again answers the ACK with it,
// and its next SYN opens a connection.
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
	case t.timestamps && s.TCP.Options.HasTimestamps && seq.Less(s.TCP.Options.TSVal, t.tsRecent):
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

// acknowledge makes an ACK due in answer to a segment with the flags f, a few times in five seconds.
func (t *TimeWaitConn) acknowledge(now Time, f wire.Flags) {
	t.ackDue = t.challenge.allow(now)
	t.challenged = t.challenged || t.ackDue && f.Has(wire.SYN)
}

// Refuse is for a driver that has no listener for the SYN of a VerdictReopen. TIME-WAIT goes on, or anybody could end it
// with a SYN to a port that is not listened on (RFC 9293 3.6.1: a SYN must not end it for nothing).
func (t *TimeWaitConn) Refuse(now Time) { t.acknowledge(now, wire.SYN) }

// newer reports whether a SYN is of a new incarnation: by its timestamp, or else by its number (RFC 6191 2,
// RFC 9293 3.6.1, MAY-2, SHLD-4).
func (t *TimeWaitConn) newer(now Time, h *wire.TCP) bool {
	if t.timestamps && h.Options.HasTimestamps {
		if h.Options.TSVal != t.tsRecent {
			return seq.Less(t.tsRecent, h.Options.TSVal) || now.Sub(t.tsRecentAt) >= tsRecentValid
		}
	}
	return seq.Less(t.rcvNxt-1, h.Seq)
}

// ISN moves iss beyond every number the old incarnation used (RFC 9293 3.6.1).
func (t *TimeWaitConn) ISN(iss uint32) uint32 {
	if least := t.nxt + maxWindowField + 2; seq.Less(iss, least) {
		return least
	}
	return iss
}

// Transmit builds the next segment: see [Conn.Transmit].
func (t *TimeWaitConn) Transmit(now Time, _ int, out *Outgoing) bool {
	if !t.ackDue {
		return false
	}
	t.ackDue = false
	out.reset(wire.ACK)
	out.TCP.Seq, out.TCP.Ack = t.nxt, t.rcvNxt
	out.TCP.Window = uint16(min(t.window>>t.scale, maxWindowField))
	if t.timestamps {
		o := &out.TCP.Options
		o.HasTimestamps, o.TSVal, o.TSEcr = true, timestampClock(now, t.tsOffset), t.tsRecent
	}
	out.Note = NoteDuplicateACK
	return true
}

// Advance does nothing: the driver asks Expired.
func (t *TimeWaitConn) Advance(Time) {}
