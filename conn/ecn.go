package conn

import (
	"minitcp/conn/seq"
	"minitcp/conn/wire"
)

// ecn answers: what have routers said about congestion, and has who must hear it heard? A router marks a packet (CE), the
// receiver says so with every ACK (ECE) until the sender says that it has heard it and reduced its window (CWR).
type ecn struct {
	ecnHandshake

	echoCE bool // the peer is to be told of a mark: ECE is on everything until it says CWR

	cwr bool // the peer is to be told, with the next new data, that the window has been reduced
}

// takeMark takes the codepoint of a segment with data that is new. A mark is reported at once: the peer's window may be so
// small that nothing more would come meanwhile.
func (c *Conn) takeMark(s *Segment) {
	if s.ECN != wire.CE || !c.ecn.mustEcho() {
		return
	}
	c.stats.CEReceived++
	if !c.ecn.echoCE {
		c.ecn.echoCE = true
		c.acknowledgeNow(NoteNone)
	}
}

// takeCWR ends the report of marks: the peer has heard. A mark of the very same segment is another one.
func (c *Conn) takeCWR(s *Segment) {
	if !s.TCP.Flags.Has(wire.CWR) || !c.ecn.mustEcho() {
		return
	}
	c.ecn.echoCE = false
	if len(s.Data) > 0 {
		c.acknowledgeNow(NoteNone) // as in takeMark
	}
}

// allowMarks lets routers mark a segment of new data, and tells the peer with the first one after a reduction that there
// was one. Nothing else may be marked: neither what carries no data, nor what is sent again, nor probes (RFC 3168 6.1.4 to
// 6.1.6; RFC 8311 leaves that to experiments).
func (c *Conn) allowMarks(out *Outgoing) {
	if out.Len == 0 || !c.ecn.agreed() {
		return
	}
	out.ECN = wire.ECT0
	if c.ecn.cwr {
		c.ecn.cwr = false
		out.TCP.Flags |= wire.CWR
	}
}

// reduced makes the next new data say that the window has come down, for whatever reason (RFC 3168 6.1.2). A router may
// have dropped what said so the last time.
func (e *ecn) reduced() { e.cwr = e.agreed() }

// takeECE takes an ACK with or without the report of a mark, and returns whether it has one. The window comes down once
// in a round trip, whether marks or losses are the reason, in proportion to what arrives, as in loss recovery (RFC 9937).
// Flight is what was unacknowledged before the ACK.
func (c *Conn) takeECE(now Time, ack seq.Offset, h *wire.TCP, flight int64, a *arrival) bool {
	r, e := &c.active.recovery, &c.ecn
	if r.reducing && r.phase == noRecovery {
		if r.reducing = c.snd.una < r.marked; r.reducing {
			r.prr.arrived(c, a)
		}
	}
	if h.Flags&(wire.ECE|wire.SYN) != wire.ECE || ack < c.snd.una || !e.agreed() {
		return false
	}
	switch {
	case r.phase == resizing:
		if ack > r.marked {
			r.phase = noRecovery // the window has not come down for it
			c.reduceForMark(now, flight, a)
		}
	case r.phase != noRecovery:
		c.active.undo.congested = true // whatever becomes of the losses
	case ack > max(r.marked, r.end):
		c.reduceForMark(now, flight, a)
	}
	return true
}

// reduceForMark answers a mark.
func (c *Conn) reduceForMark(now Time, flight int64, a *arrival) {
	r := &c.active.recovery
	c.stats.ECEReductions++
	r.marked = c.snd.max
	c.ecn.reduced()
	c.active.undo.congested = true // what it would give back is no longer the last reduction
	if full := int64(c.fullSize()); c.active.cc.Window() <= full {
		// It cannot be less, so it is less often: nothing new before a retransmission timeout has passed (RFC 3168 6.1.2).
		c.active.timer.ecnPause = now.Add(c.rto())
		return
	}
	l := c.lossNow(now)
	l.InFlight, l.ECN = flight, true
	c.active.cc.OnLoss(l)
	if c.active.cc.ModelBased() || c.snd.una == r.marked {
		return // at once
	}
	r.reducing = true
	r.prr = prr{flight: max(1, c.pipe()+a.Bytes), threshold: c.active.cc.Window()}
	r.prr.arrived(c, a)
}
