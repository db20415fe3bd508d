package conn

import (
	"math"
	"time"

	"minitcp/conn/wire"
)

// ackDelay decides how long the ACK of data waits. It waits for the application's reply, which would carry it, only
// while the application replies to every segment: it has replied to the last two. Otherwise the sender may be waiting
// for the ACK, and the ACK is quick: while the connection is young, after a pause, after a retransmission, and if the
// segment is not full, as the sender's Nagle algorithm holds the next one (RFC 5681 4.2 permits more ACKs than one
// for two segments).
//
// Linux also has a count of quick ACKs, but takes one reply as proof. Each request that is written in two pieces then
// waits for the delayed ACK of the first piece.
type ackDelay struct {
	// interval is the usual time between segments in ms, at least the least delay, 0 before the first data (Linux's ato).
	interval uint16
	quick    uint8 // ACKs of full segments that are still quick
	replies  int8  // segments in a row to which the application has replied, at most repliesProve
	alone    bool  // the last data was acknowledged without a reply
}

const (
	repliesProve = 2
	maxQuick     = 16 // Linux's TCP_MAX_QUICKACKS
	// replyTime is the time that the application has for a reply to a message that ends with PSH, before a quick ACK is
	// sent. Most servers reply faster, so the reply carries the ACK.
	replyTime = time.Millisecond
	// maxDelay limits the delay on long paths.
	maxDelay = 200 * time.Millisecond
)

// delayACK returns the time for which the ACK of s, which has brought data in order, may wait.
func (c *Conn) delayACK(now Time, s *Segment) time.Duration {
	d := &c.active.delay
	c.noteArrival(now)
	size, pushed := int32(s.size()), s.TCP.Flags.Has(wire.PSH)
	full := size >= c.rcv.segmentSize
	if pushed {
		full = full && size >= defaultFullSize // the application may write pieces of the same size
	}
	switch {
	case d.replies >= repliesProve:
		return c.longDelay()
	case d.quick > 0 && full && !pushed:
		return 0
	case d.quick > 0 || !full:
		return replyTime
	}
	return c.longDelay()
}

// noteArrival records that data has arrived in order.
func (c *Conn) noteArrival(now Time) {
	d := &c.active.delay
	least, gap := c.cfg.DelayedACK, now.Sub(c.lastDataReceived)
	if gap >= idleTime {
		*d = ackDelay{} // as after hibernation
	}
	interval := time.Duration(d.interval) * time.Millisecond
	switch {
	case interval == 0:
		interval = least
		c.quickACKs()
	case gap <= least/2:
		interval = interval/2 + least/2
	case gap < interval:
		interval = min(interval/2+gap, c.rto())
	case gap > c.rto():
		c.quickACKs()
	}
	d.set(interval)
	if d.alone { // no reply to the segment before
		d.alone, d.replies = false, -1
	}
}

func (d *ackDelay) set(interval time.Duration) {
	d.interval = uint16(max(1, min(interval.Milliseconds(), math.MaxUint16)))
}

// quickACKs makes the next ACKs quick: for half of the segments that fit the window, which the sender needs to open its
// congestion window.
func (c *Conn) quickACKs() {
	n := int64(c.rcv.edge-c.rcv.nxt()) / (2 * max(1, int64(c.rcv.segmentSize)))
	c.active.delay.quick = max(c.active.delay.quick, uint8(max(2, min(n, maxQuick))))
}

// arrivedAgain is called when the peer has sent data again. After a timeout it is in slow start.
func (c *Conn) arrivedAgain() {
	if c.active != nil {
		c.active.delay.replies = 0
		c.quickACKs()
	}
}

// longDelay returns the delay of an ACK that the application's reply may carry: the usual time between segments, at
// most the round-trip time, but at least Config.DelayedACK.
func (c *Conn) longDelay() time.Duration {
	least := c.cfg.DelayedACK
	most := max(least, min(c.rtt.SRTT, maxDelay))
	return max(least, min(time.Duration(c.active.delay.interval)*time.Millisecond, most))
}

// acknowledgedAlone is called when the delay of an ACK has ended without a reply.
func (c *Conn) acknowledgedAlone() {
	d := &c.active.delay
	d.alone = true
	if d.replies >= repliesProve {
		d.replies = 0
		d.set(c.cfg.DelayedACK)
	} else if d.quick == 0 {
		d.set(min(2*time.Duration(d.interval)*time.Millisecond, c.rto()))
	}
}

// replied is called before new data is sent. It is a reply if data has arrived since the last.
func (c *Conn) replied(now Time) {
	d := &c.active.delay
	if (c.ack.bytes > 0 || d.alone) && now.Sub(c.lastDataReceived) < c.longDelay() {
		d.replies = min(d.replies+1, repliesProve)
	}
	d.alone = false
}
