package conn

import (
	"minitcp/conn/cc"
	"minitcp/conn/ecn"
	"minitcp/conn/seq"
	"minitcp/conn/wire"
)

// ecnState tracks ECN marks. A router marks a packet (CE). With classic ECN, the receiver sets ECE in every ACK until
// the sender sets CWR after reducing its window. In AccECN mode, it counts the marks; see accurateecn.go.
type ecnState struct {
	ecn.Handshake

	echoCE bool // a mark has arrived: segments have ECE until the peer sends CWR

	cwr bool // the next new data has CWR, since the window has been reduced
}

// feedback returns the flags that report marks to the peer.
func (c *Conn) feedback() wire.Flags {
	switch {
	case c.accurate != nil:
		return c.accurate.ACE()
	case c.ecn.echoCE:
		return wire.ECE
	}
	return 0
}

// mayMark reports whether new data may be sent with ECT.
func (c *Conn) mayMark() bool { return c.ecn.Agreed() && (c.accurate == nil || c.accurate.MayMark()) }

// takeMark processes the codepoint of a segment with new data. A mark is reported at once, since the peer's window may
// be so small that no other segment arrives.
func (c *Conn) takeMark(s *Segment) {
	if s.ECN != wire.CE || !c.ecn.MustEcho() {
		return
	}
	c.marks++
	if !c.ecn.echoCE {
		c.ecn.echoCE = true
		c.acknowledgeNow(NoteNone)
	}
}

// takeCWR ends the report of marks. A mark on the same segment is a new one.
func (c *Conn) takeCWR(s *Segment) {
	if !s.TCP.Flags.Has(wire.CWR) || !c.ecn.MustEcho() {
		return
	}
	c.ecn.echoCE = false
	if len(s.Data) > 0 {
		c.acknowledgeNow(NoteNone) // as in takeMark
	}
}

// allowMarks permits routers to mark a segment of new data. The first such segment after a reduction has CWR. Segments
// without data, retransmissions and probes are never marked (RFC 3168 6.1.4 to 6.1.6; RFC 8311 permits it in
// experiments).
func (c *Conn) allowMarks(out *Outgoing) {
	if out.Len == 0 || !c.mayMark() {
		return
	}
	out.ECN = wire.ECT0
	if c.ecn.cwr {
		c.ecn.cwr = false
		out.TCP.Flags |= wire.CWR
	}
}

// reduced makes the next new data report a reduction of the window, whatever its cause (RFC 3168 6.1.2). The segment
// that has reported the last one may have been dropped. In AccECN mode there is no such report (RFC 9768 3.1.5).
func (e *ecnState) reduced() { e.cwr = e.Agreed() && !e.Accurate() }

// takeMarkReport processes the report of marks in an ACK and returns whether there is one. The window is reduced at
// most once in a round trip, by marks or losses, and in proportion to arriving data, as in loss recovery (RFC 9937).
// flight is the number of bytes unacknowledged before the ACK.
func (c *Conn) takeMarkReport(now Time, ack seq.Offset, h *wire.TCP, flight int64, a *arrival) bool {
	r := &c.active.recovery
	if r.reducing && r.phase == noRecovery {
		if r.reducing = c.snd.una < r.marked; r.reducing {
			c.reduceWindow(a)
		}
	}
	if !c.reportsMark(ack, h, a) {
		return false
	}
	switch {
	case r.phase == resizing:
		if ack > r.marked {
			r.phase = noRecovery // this episode has not reduced the window
			c.reduceForMark(now, flight, a)
		}
	case r.phase != noRecovery:
		c.active.undo.Congested = true // the reduction stands even if the losses were none
	case ack > max(r.marked, r.end):
		c.reduceForMark(now, flight, a)
	}
	return true
}

// reportsMark reports whether an ACK reports a mark: by ECE, or by the counters of AccECN.
func (c *Conn) reportsMark(ack seq.Offset, h *wire.TCP, a *arrival) bool {
	if c.accurate != nil {
		return c.countsMark(h, a)
	}
	return h.Flags&(wire.ECE|wire.SYN) == wire.ECE && ack >= c.snd.una && c.ecn.Agreed()
}

// reduceForMark reduces the window for a mark.
func (c *Conn) reduceForMark(now Time, flight int64, a *arrival) {
	r := &c.active.recovery
	c.reductions++
	r.marked = c.snd.max
	c.ecn.reduced()
	c.active.undo.Congested = true // the last reduction is now another one
	if full := int64(c.fullSize()); c.active.cc.Window() <= full {
		// The window cannot be less than a segment, so no new data is sent for a retransmission timeout (RFC 3168
		// 6.1.2).
		c.active.timer.ecnPause = now.Add(c.rto())
		return
	}
	l := c.lossNow(now)
	l.InFlight, l.ECN = flight, true
	c.active.cc.OnLoss(l)
	if c.active.cc.ModelBased() || c.snd.una == r.marked {
		return // the new window applies at once
	}
	r.reducing = true
	r.prr = cc.NewPRR(c.pipe()+a.Bytes, c.active.cc.Window())
	c.reduceWindow(a)
}
