package conn

import (
	"minitcp/conn/accecn"
	"minitcp/conn/wire"
)

// This file connects the counters of package accecn with the segments of a connection in AccECN mode (RFC 9768).

// receivedSYN records the SYN of a handshake that has arrived again. It reports whether it has ended the handshake,
// since the SYNs request different kinds of ECN (RFC 9768 3.1.5).
func (h *Handshake) receivedSYN(s *Segment) bool {
	if h.ecn.Received(s.TCP.Flags, s.ECN, h.cfg.ECN); !h.ecn.Conflict() {
		return false
	}
	h.resetDue, h.resetSeq = true, h.params.ISS+1
	h.end()
	return true
}

// adoptECN takes the agreement of a handshake. The SYN-ACK may have been sent again because of its option.
func (c *Conn) adoptECN(h *Handshake) {
	c.ecn.Handshake = h.ecn
	if !h.ecn.Accurate() {
		return
	}
	c.accurate = accecn.New(accecn.ServerOptions)
	if h.retransmits > 0 {
		c.accurate.SYNACKLost()
	}
}

// enterAccurate begins AccECN mode if the SYN or SYN-ACK of an active open, which has been recorded, agrees to it.
func (c *Conn) enterAccurate(s *Segment) {
	switch {
	case !c.ecn.Accurate():
	case c.ecn.Passive(): // a simultaneous open, in which each end is also the passive one
		c.accurate = accecn.New(accecn.ServerOptions)
	default:
		a := accecn.New(accecn.ClientOptions)
		c.accurate, a.Reflects = a, true
		a.ArrivedSYNACK(s.ECN, len(s.Data))
		a.SYNACKed(s.TCP.Flags, &s.TCP.Options.AccECN)
	}
}

// slowAfterMark reduces the initial window to one segment if the handshake reports that a router has marked our SYN or
// SYN-ACK.
func (c *Conn) slowAfterMark(s *Segment) {
	if c.accurate != nil && accecn.Reflected(s.TCP.Flags) == wire.CE {
		c.active.cc = c.newController(int64(c.fullSize()))
	}
}

// takeHandshakeACK processes the first ACK in SYN-RECEIVED. Without data and SACK blocks, it reports the codepoint with
// which the SYN-ACK has arrived; so does the SYN-ACK of a simultaneous open (RFC 9768 3.2.2.1).
func (c *Conn) takeHandshakeACK(s *Segment) {
	a, option := c.accurate, &s.TCP.Options.AccECN
	switch {
	case s.TCP.Flags.Has(wire.SYN):
		a.ArrivedSYNACK(s.ECN, len(s.Data))
		a.SYNACKed(s.TCP.Flags, option)
	case len(s.Data) > 0 || s.TCP.Options.SACKCount > 0:
		a.ExpectOption(option)
		return
	default:
		c.accurate.Handshake = true
		a.HandshakeACKed(s.TCP.Flags, option)
	}
	c.slowAfterMark(s)
}

// reflectAgain makes the ACK that is due, in reply to a retransmitted SYN-ACK, report the codepoint of that one (RFC
// 9768 3.2.2.1).
func (c *Conn) reflectAgain(s *Segment) {
	if c.accurate == nil || c.ecn.Passive() {
		return
	}
	c.ecn.Received(s.TCP.Flags, s.ECN, c.cfg.ECN)
	c.accurate.ArrivedSYNACK(s.ECN, 0)
	c.accurate.Reflects = c.ack.due
}

// transmitReflection sends the ACK of a SYN-ACK, with its codepoint in the ACE field. It has no data and no SACK
// blocks, with which the field would be a counter (RFC 9768 3.2.2.1). It has no option if an ACK before it may have
// been lost because of one.
func (c *Conn) transmitReflection(now Time, out *Outgoing) {
	c.accurate.Reflects = false
	c.header(now, out, 0, min(c.snd.nxt, c.snd.next())) // data of the SYN that was not accepted is sent again
	out.TCP.Flags = wire.ACK | accecn.Reflect(c.ecn.Arrived())
	out.TCP.Options.SACKCount = 0
	if out.Note = c.ack.note; out.Note != NoteNone {
		out.TCP.Options.AccECN = wire.AccECN{}
	}
}

// accurateLimit returns the limit of a segment, which is 0 for no GSO packets: devices clear CWR in all segments of a
// GSO packet after the first, as classic ECN requires (RFC 3168 6.1.2), and CWR is part of the ACE field (RFC 9768
// 3.3.4).
func (c *Conn) accurateLimit(limit int) int {
	if c.accurate.ACE().Has(wire.CWR) {
		return 0
	}
	return limit
}

// addCounters adds the option to the segment of new data or of none, if it is due. SACK blocks after the second make
// room for it (RFC 9768 3.2.3.3).
func (c *Conn) addCounters(now Time, o *wire.Options) {
	if !c.accurate.OptionDue(now, c.rtt.SRTT) {
		return
	}
	blocks := o.SACKCount
	o.SACKCount = min(blocks, 2)
	o.AccECN = c.accurate.Option(o.Room())
	o.SACKCount = blocks // PutTCP sends those that fit
}

// sentFeedback records the counters in a segment that is certain to be sent.
func (c *Conn) sentFeedback(now Time, out *Outgoing) {
	a, o := c.accurate, &out.TCP.Options.AccECN
	a.Sent(now, o)
	if again := c.ack.duplicate; again.End > 0 {
		a.SentRepeated(o, uint32(again.Start))
	}
	if out.Len > 0 {
		a.SentData(o, out.TCP.Seq)
	}
}

// countCodepoint counts the codepoint of n segments that have arrived as s, and acknowledges them at once if the peer
// must learn of a mark.
func (c *Conn) countCodepoint(s *Segment, n int) {
	if s.TCP.Flags.Has(wire.SYN) {
		return
	}
	if s.ECN == wire.CE {
		c.marks += uint32(n)
	}
	if c.accurate.Arrived(s.ECN, n, len(s.Data), len(s.Data) > 0 || c.ack.bytes > 0) {
		c.acknowledgeNow(NoteNone)
	}
}

// countsMark takes the counters of an ACK of data, and reports whether they have counted a mark. An ACK of nothing new
// may be older than the last one.
func (c *Conn) countsMark(h *wire.TCP, a *arrival) bool {
	handshake := c.accurate.Handshake || h.Flags.Has(wire.SYN)
	c.accurate.Handshake = false
	if a.advanced {
		c.accurate.Progress(h.Ack)
	}
	if handshake || a.Bytes == 0 {
		return false
	}
	return c.accurate.Acknowledged(&accecn.ACK{
		Flags: h.Flags, Option: &h.Options.AccECN, Packets: a.Packets, MSS: max(1, c.fullSize()),
	}) > 0
}

// Marks are the totals of ECN for one connection.
type Marks struct {
	Received, Reductions uint32 // Info.CEReceived, Info.ECEReductions
	AccECN               accecn.Info
}

// Marks returns the totals of ECN. It returns false if there are none, as without ECN.
func (c *Conn) Marks() (Marks, bool) {
	if c.accurate == nil && c.marks|c.reductions == 0 {
		return Marks{}, false
	}
	return Marks{c.marks, c.reductions, c.infoAccECN()}, true
}

func (c *Conn) infoAccECN() accecn.Info {
	i := c.accurate.Info()
	if i.Agreed && !c.ecn.Agreed() { // a SYN or SYN-ACK without AccECN
		i.Failures |= accecn.ACESent
	}
	return i
}
