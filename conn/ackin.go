package conn

import (
	"time"

	"minitcp/conn/cc"
	"minitcp/conn/seq"
)

// takeACK processes an acceptable ACK: it updates the retransmission queue, detects losses, and informs congestion
// control.
func (c *Conn) takeACK(now Time, ack seq.Offset, s *Segment, windowBefore int32) {
	c.checkLimited(now)
	a := c.newArrival(now, s)
	before, unsent, flight := c.pipe(), c.active.cc.Window()-c.pipe(), int64(c.snd.nxt-c.snd.una)
	if c.snd.blocked || unsent <= 0 {
		c.active.rounds.LimitedByWindow()
	}
	full, most := c.active.rounds.WindowLimited(), c.active.rounds.InFlight(before)
	slowStart := c.active.cc.Window() < c.active.cc.SlowStartThreshold()
	limited := full || slowStart && c.active.cc.Window() < 2*most
	if c.sack {
		c.takeSACK(s, ack, &a)
	}
	if ack > c.snd.una {
		c.advance(now, ack, s, &a)
	}
	sample := c.active.sent.Sample(&a.Delivered)
	c.noteDeliveryRate(sample)
	round := c.active.rounds.Passed(&a.Delivered, before, c.active.sent.Delivered())
	if c.sack {
		if late := c.active.rack.Update(&a.Delivered); late > 0 {
			c.noteReordering(late)
		}
		a.losses = c.detectLoss(now)
	} else {
		c.detectLossByDuplicates(now, s, ack, windowBefore, &a)
	}
	c.tailProbeAnswered(now, s, &a)
	c.episode(now, s, &a)
	marked := c.takeMarkReport(now, ack, &s.TCP, flight, &a)
	if a.Bytes > 0 && (c.active.cc.ModelBased() || (a.advanced || c.reordering.Seen > 0) && c.mayGrow(marked)) {
		c.active.cc.OnAck(cc.Ack{
			Now: time.Duration(now), Acked: a.Bytes, Delivered: c.active.sent.Delivered(), InFlight: c.pipe(),
			Limited: limited, Full: full, Paced: c.pacingRate() != 0, RTT: a.RTT(), SRTT: c.rtt.SRTT, Round: round, Sample: sample,
		})
	}
	c.snd.blocked = false
	if a.advanced {
		if c.path.Searching() {
			c.searchPath(now)
		}
		c.tuneSend()
		c.restartRetransmit(now)
		c.armTailProbe(now)
	}
}

// mayGrow reports whether an ACK may enlarge the congestion window. It may not while the window is being reduced, nor
// if it reports a mark (RFC 3168 6.1.2).
//
// Deviation: after a timeout the report is about earlier data, and the window grows from one segment nevertheless, as
// on Linux.
func (c *Conn) mayGrow(marked bool) bool {
	switch c.active.recovery.phase {
	case noRecovery, resizing:
		return !marked && !c.active.recovery.reducing
	case timeoutRecovery:
		return true
	}
	return false
}

// advance advances SND.UNA.
func (c *Conn) advance(now Time, ack seq.Offset, s *Segment, a *arrival) {
	a.advanced = true
	c.lastACKReceived = now
	c.active.sent.Acknowledge(ack, &a.Delivered)
	c.measure(now, ack, s, a)
	c.snd.una = ack
	c.snd.nxt = max(c.snd.nxt, ack)
	c.snd.buf.Acknowledge(c.cfg.Pool, ack)
	c.timeouts = 0
	c.softError = 0
	// Deviation from Karn's algorithm: progress without an RTT sample limits the backoff to four times the RTO. On a
	// path that loses a fifth of all segments, no segment that was sent once is ever measured, and timeouts would grow
	// to two minutes.
	c.rtt.Backoff = min(c.rtt.Backoff, 2)
}

// measure ends an RTT measurement if the ACK covers it. While no round trip is known, as after a retransmitted SYN-ACK
// or a SYN cookie, it measures any segment that was sent once: without a round trip, RACK has no reordering window and
// takes every late segment for lost.
func (c *Conn) measure(now Time, ack seq.Offset, s *Segment, a *arrival) {
	fresh := c.active.tsval.Echoed(s.TCP.Options.TSEcr)
	switch running := c.active.timing.End != 0; {
	case running && ack >= c.active.timing.End:
		c.rtt.Sample(c.active.timing.Finish(now))
		return
	case c.rtt.SRTT == 0 && c.measures(a):
		c.rtt.Sample(a.RTT())
		return
	case running || !fresh:
		return
	}
	if d, ok := c.echoedRTT(now, s, a); ok {
		c.rtt.Sample(d)
	}
}
