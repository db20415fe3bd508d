package conn

import (
	"time"

	"minitcp/conn/buffer"
	"minitcp/conn/delack"
	"minitcp/conn/pmtu"
	"minitcp/conn/wire"
)

// ackState is the acknowledgment that the receiver owes the peer.
type ackState struct {
	due   bool // an ACK is sent by the next Transmit
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
	c.rcv.measureSegment(s)
	c.ack.bytes += int32(n)
	d := c.delayACK(now, s)
	if d == 0 || c.ack.bytes >= 2*c.rcv.segmentSize {
		c.ack.due = true
		return
	}
	c.active.timer.ack = min(c.active.timer.ack, now.Add(d))
}

// delayACK returns the time for which the ACK of s, which has brought data in order, may wait.
func (c *Conn) delayACK(now Time, s *Segment) time.Duration {
	d, v := &c.active.delay, c.delayValues()
	gap := now.Sub(c.lastDataReceived)
	if gap >= idleTime {
		*d = delack.Delay{} // as after hibernation
	}
	d.Arrived(gap, &v)
	size, pushed := int32(s.size()), s.TCP.Flags.Has(wire.PSH)
	full := size >= c.rcv.segmentSize
	if pushed {
		full = full && size >= defaultFullSize // the application may write pieces of the same size
	}
	return d.Wait(delack.Segment{Full: full, Pushed: pushed}, &v)
}

// delayValues returns the values that the delay of an ACK depends on.
func (c *Conn) delayValues() delack.Values {
	return delack.Values{
		Least: c.cfg.DelayedACK, SRTT: c.rtt.SRTT, RTO: c.rto(),
		Window: int64(c.rcv.edge - c.rcv.nxt()), SegmentSize: int64(c.rcv.segmentSize),
	}
}

// defaultFullSize is the default MSS. A segment of this size may be full even if it has PSH (MUST-15).
const defaultFullSize = 536

// measureSegment derives the size of the peer's full segments from a segment that has arrived in order. Every second
// full segment is acknowledged. The size grows at once. It falls when two segments in a row have the same smaller size,
// as after Packet Too Big, unless they are small and have PSH, which are small writes of an application.
func (r *receiveSpace) measureSegment(s *Segment) {
	size := int32(s.size())
	subMSS := size < defaultFullSize && s.TCP.Flags.Has(wire.PSH) && len(s.Data) < 2*int(size)
	if len(s.Data) >= 2*int(size) {
		r.lastSize = size // a GSO packet of at least two full segments
	}
	if size > r.segmentSize || size == r.lastSize && !subMSS {
		r.segmentSize = max(size, pmtu.MinSendMSS)
	}
	r.lastSize = size
}

// announce puts the receive window into a segment that is certain to be sent, and counts its ACK as sent.
func (c *Conn) announce(out *Outgoing) {
	out.TCP.Window = c.announceWindow()
	if c.active != nil {
		c.active.tsval.Last = out.TCP.Options.TSVal
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
