package conn

import (
	"time"

	"minitcp/conn/cc"
	"minitcp/conn/scoreboard"
)

// noteDeliveryRate takes a sample of the delivery rate.
func (c *Conn) noteDeliveryRate(s cc.Sample) {
	if rate := s.Rate(); rate > 0 && (!s.Limited || rate >= c.deliveryRate) {
		c.deliveryRate, c.deliveryLimited = rate, s.Limited
	}
}

// checkLimited marks the data of the next round trip as limited by the application if at this moment only the lack of
// data keeps the connection from sending. It must be called before an event ends that moment: a Write, an ACK, a timer
// (draft-ietf-ccwg-bbr-06 4.1.2.4).
func (c *Conn) checkLimited(now Time) {
	if s := &c.snd; c.active.cc != nil && !s.moreFollows && int(s.buf.End()-s.nxt) < c.fullSize() && c.active.sent.Lost() == 0 &&
		c.pipe() < c.congestionWindow() && c.active.pacer.Next < now.Add(cc.Tick) {
		c.active.sent.MarkLimited(c.pipe())
	}
}

// lose declares r, a record of the retransmission queue, lost.
func (c *Conn) lose(now Time, r *scoreboard.Record) {
	l := c.active.sent.MarkLost(r)
	l.Now = time.Duration(now)
	c.active.cc.OnLost(l)
}

// sent describes a transmission in segments of size bytes to the retransmission queue.
func (c *Conn) sent(now Time, size int) scoreboard.Sent {
	return scoreboard.Sent{Now: now, TSVal: c.active.tsval.Last, Segment: size, LeftNetwork: c.active.recovery.leftNetwork}
}
