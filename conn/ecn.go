package conn

import (
	"minitcp/conn/cc"
	"minitcp/conn/ecn"
	"minitcp/conn/seq"
	"minitcp/conn/wire"
)

// ecnState tracks ECN marks: those received and not yet acknowledged by CWR, and the reduction that must be reported by
// CWR. A router marks a packet (CE). The receiver sets ECE in every ACK until the sender sets CWR after reducing its
// window.
type ecnState struct {
	ecn.Handshake

	echoCE bool // a mark has arrived: segments have ECE until the peer sends CWR

	cwr bool // the next new data has CWR, since the window has been reduced
}

// takeMark processes the codepoint of a segment with new data. A mark is reported at once, since the peer's window may
// be so small that no other segment arrives.
func (c *Conn) takeMark(s *Segment) {
	if s.ECN != wire.CE || !c.ecn.MustEcho() {
		return
	}
	c.stats.CEReceived++
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
	if out.Len == 0 || !c.ecn.Agreed() {
		return
	}
	out.ECN = wire.ECT0
	if c.ecn.cwr {
		c.ecn.cwr = false
		out.TCP.Flags |= wire.CWR
	}
}

// reduced makes the next new data report a reduction of the window, whatever its cause (RFC 3168 6.1.2). The segment
// that has reported the last one may have been dropped.
func (e *ecnState) reduced() { e.cwr = e.Agreed() }

// takeECE processes the ECE flag of an ACK and returns whether it is set. The window is reduced at most once in a round
// trip, by marks or losses, and in proportion to arriving data, as in loss recovery (RFC 9937). flight is the number of
// bytes unacknowledged before the ACK.
func (c *Conn) takeECE(now Time, ack seq.Offset, h *wire.TCP, flight int64, a *arrival) bool {
	r, e := &c.active.recovery, &c.ecn
	if r.reducing && r.phase == noRecovery {
		if r.reducing = c.snd.una < r.marked; r.reducing {
			c.reduceWindow(a)
		}
	}
	if h.Flags&(wire.ECE|wire.SYN) != wire.ECE || ack < c.snd.una || !e.Agreed() {
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

// reduceForMark reduces the window for a mark.
func (c *Conn) reduceForMark(now Time, flight int64, a *arrival) {
	r := &c.active.recovery
	c.stats.ECEReductions++
	r.marked = c.snd.max
	c.ecn.reduced()
	c.active.undo.Congested = true // the last reduction is now another one
	if full := int64(c.fullSize()); c.active.cc.Window() <= full {
		// The window cannot be less than a segment, so no new data is sent for a retransmission timeout (RFC 3168 6.1.2).
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
