package conn

import (
	"time"

	"minitcp/conn/buffer"
	"minitcp/conn/delack"
)

// ackState is the acknowledgment that the receiver owes the peer.
type ackState struct {
	due   bool // an ACK is sent by the next Transmit
	probe bool // a keep-alive probe, which is an ACK of old data, is sent by the next Transmit
	note  Note
	bytes int32 // bytes received in order since the last ACK was sent
	// duplicate is the range that has arrived twice and is not reported yet. The next ACK reports it in its first SACK
	// block, a D-SACK (RFC 2883).
	duplicate buffer.Range
}

// acknowledgeNow makes the next Transmit send an ACK.
func (c *Conn) acknowledgeNow(note Note) {
	c.ack.due = true
	if note != NoteNone {
		c.ack.note = note
	}
}

// acknowledgeData acknowledges a segment that has brought n bytes in order. An ACK follows at the end of the batch for
// at least every second full segment (SHLD-19, MUST-58, MUST-59). Otherwise the ACK may wait; see delack.Delay (RFC
// 9293 3.8.6.3, SHLD-18, MUST-40).
func (c *Conn) acknowledgeData(now Time, n int, s *Segment) {
	c.rcv.segmentSize.Measure(s.size(), len(s.Data), s.TCP.Flags)
	c.ack.bytes += int32(n)
	d := c.delayACK(now, s)
	if d == 0 || c.ack.bytes >= 2*c.rcv.segmentSize.Full {
		c.ack.due = true
		return
	}
	c.active.timer.ack = min(c.active.timer.ack, now.Add(d))
}

// delayACK returns the time for which the ACK of s, which has brought data in order, may wait.
func (c *Conn) delayACK(now Time, s *Segment) time.Duration {
	d := &c.active.delay
	var v delack.Values
	c.delayValues(&v)
	gap := now.Sub(c.lastDataReceived)
	if gap >= idleTime {
		*d = delack.Delay{} // as after hibernation
	}
	d.Arrived(gap, &v)
	return d.Wait(c.rcv.segmentSize.Kind(s.size(), s.TCP.Flags), &v)
}

// replied is called before new data is sent.
func (c *Conn) replied(now Time) {
	var v delack.Values
	c.delayValues(&v)
	c.active.delay.Replied(now.Sub(c.lastDataReceived), int(c.ack.bytes), &v)
}

// delayValues sets the values that the delay of an ACK depends on. It sets one field after the other: a copy of the
// whole struct just after that would wait for the processor's stores.
func (c *Conn) delayValues(v *delack.Values) {
	v.Least, v.SRTT, v.RTO = c.cfg.DelayedACK, c.rtt.SRTT, c.rto()
	v.Window, v.SegmentSize = int64(c.rcv.wnd.Edge-c.rcv.nxt()), int64(c.rcv.segmentSize.Full)
}

// announce puts the receive window into a segment that is certain to be sent, and counts its ACK as sent.
func (c *Conn) announce(now Time, out *Outgoing) {
	s := c.space()
	out.TCP.Window = c.rcv.wnd.Announce(&s)
	if c.active != nil {
		c.active.tsval.Last = out.TCP.Options.TSVal
	}
	if c.accurate != nil {
		c.sentFeedback(now, out)
	}
	c.acknowledged()
}

// acknowledged records that a segment with an ACK has been built.
func (c *Conn) acknowledged() {
	if c.ack.bytes > 0 && c.active != nil {
		c.active.delay.Acknowledged()
	}
	c.ack.due = false
	c.ack.bytes = 0
	c.ack.note = NoteNone
	c.ack.duplicate = buffer.Range{}
	if c.active != nil {
		c.active.timer.ack = Never
	}
}
