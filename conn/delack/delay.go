// Package delack decides how long the ACK of data waits.
package delack

import (
	"math"
	"time"
)

// Delay decides how long the ACK of data waits. It waits for the application's reply, which would carry it, only while
// the application replies to every segment: it has replied to the last two. Otherwise the sender may be waiting for the
// ACK, and the ACK is quick: while the connection is young, after a pause, after a retransmission, and if the segment
// is not full, as the sender's Nagle algorithm holds the next one (RFC 5681 4.2 permits more ACKs than one for two
// segments). The zero Delay is that of a young connection.
//
// Linux counts quick ACKs as well, but takes one reply as proof.
type Delay struct {
	// interval is the usual time between segments in ms, at least the least delay, 0 before the first data (Linux's ato).
	interval uint16
	quick    uint8 // ACKs of full segments that are still quick
	replies  uint8 // segments in a row to which the application has replied, at most repliesProve
	alone    bool  // the last data was acknowledged without a reply
}

// Values are the values of the connection that the delay depends on.
type Values struct {
	Least       time.Duration // least delay
	SRTT, RTO   time.Duration
	Window      int64 // bytes that the receive window permits
	SegmentSize int64 // bytes in a full segment
}

// Segment is the kind of a segment with data in order.
type Segment struct{ Full, Pushed bool }

const (
	repliesProve = 2
	maxQuick     = 16 // Linux's TCP_MAX_QUICKACKS
	// replyTime is the time that the application has for a reply to a message that ends with PSH, before a quick ACK is
	// sent. Most servers reply faster, so the reply carries the ACK.
	replyTime = time.Millisecond
	// maxDelay limits the delay on long paths.
	maxDelay = 200 * time.Millisecond
)

// Arrived records that data has arrived in order, a gap after the last data.
func (d *Delay) Arrived(gap time.Duration, v *Values) {
	interval := time.Duration(d.interval) * time.Millisecond
	switch {
	case interval == 0:
		interval = v.Least
		d.quickACKs(v)
	case gap <= v.Least/2:
		interval = interval/2 + v.Least/2
	case gap < interval:
		interval = min(interval/2+gap, v.RTO)
	case gap > v.RTO:
		d.quickACKs(v)
	}
	d.set(interval)
	if d.alone { // no reply to the segment before
		d.alone, d.replies = false, 0
	}
}

// Wait returns the time for which the ACK of a segment that has arrived may wait.
func (d *Delay) Wait(s Segment, v *Values) time.Duration {
	switch {
	case d.replies >= repliesProve:
		return d.long(v)
	case d.quick > 0 && s.Full && !s.Pushed:
		return 0
	case d.quick > 0 || !s.Full:
		return replyTime
	}
	return d.long(v)
}

func (d *Delay) set(interval time.Duration) {
	d.interval = uint16(max(1, min(interval.Milliseconds(), math.MaxUint16)))
}

// quickACKs makes the next ACKs quick: for half of the segments that fit the window, which the sender needs to open its
// congestion window.
func (d *Delay) quickACKs(v *Values) {
	n := v.Window / (2 * max(1, v.SegmentSize))
	d.quick = max(d.quick, uint8(max(2, min(n, maxQuick))))
}

// ArrivedAgain is called when the peer has sent data again. After a timeout it is in slow start.
func (d *Delay) ArrivedAgain(v *Values) {
	d.replies = 0
	d.quickACKs(v)
}

// Acknowledged is called when an ACK of data is sent.
func (d *Delay) Acknowledged() {
	if d.quick > 0 {
		d.quick--
	}
}

// long returns the delay of an ACK that the application's reply may carry: the usual time between segments, at most the
// round-trip time, but at least the least delay.
func (d *Delay) long(v *Values) time.Duration {
	most := max(v.Least, min(v.SRTT, maxDelay))
	return max(v.Least, min(time.Duration(d.interval)*time.Millisecond, most))
}

// Ended is called when the delay of an ACK has ended without a reply.
func (d *Delay) Ended(v *Values) {
	d.alone = true
	if d.replies >= repliesProve {
		d.replies = 0
		d.set(v.Least)
	} else if d.quick == 0 {
		d.set(min(2*time.Duration(d.interval)*time.Millisecond, v.RTO))
	}
}

// Replied is called before new data is sent, the given time after the last data arrived, of which unacknowledged bytes
// wait for their ACK. It is a reply if there are any, or if the last data was acknowledged alone.
func (d *Delay) Replied(after time.Duration, unacknowledged int, v *Values) {
	if (unacknowledged > 0 || d.alone) && after < d.long(v) {
		d.replies = min(d.replies+1, repliesProve)
	}
	d.alone = false
}
