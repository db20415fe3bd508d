package conn

import (
	"minitcp/conn/buffer"
	"minitcp/conn/wire"
)

// ackState answers: when must what arrived be acknowledged?
type ackState struct {
	due   bool // at the next Transmit
	note  Note
	bytes int32 // in-order bytes since the last ACK was sent
	// duplicate is what has come twice and was not reported yet: the first block of the next ACK says so, a D-SACK
	// (RFC 2883).
	duplicate buffer.Range
}

// acknowledgeNow makes an ACK due at once.
func (c *Conn) acknowledgeNow(note Note) {
	c.ack.due = true
	if note != NoteNone {
		c.ack.note = note
	}
}

// acknowledgeData is called when a segment has brought n bytes in order. Every second full segment is acknowledged at the end
// of the batch that brought it (SHLD-19, MUST-58, MUST-59); less waits for cfg.DelayedACK (RFC 9293 3.8.6.3, SHLD-18,
// MUST-40).
func (c *Conn) acknowledgeData(now Time, n int, s *Segment) {
	c.rcv.measureSegment(s)
	c.ack.bytes += int32(n)
	if c.ack.bytes >= 2*c.rcv.segmentSize {
		c.ack.due = true
		return
	}
	c.active.timer.ack = min(c.active.timer.ack, now.Add(c.cfg.DelayedACK))
}

// measureSegment derives the size of the peer's full segments, by which every second one is acknowledged, from a segment
// that has arrived in order. The size grows at once. It falls to that of two segments in a row of one size, as after Packet
// Too Big, unless they are small and end with PSH: those are small writes of an application.
func (r *receiveSpace) measureSegment(s *Segment) {
	const full = 536 // a segment of this size may be full even with PSH: the default MSS (MUST-15)
	size := int32(s.size())
	small := size < full && s.TCP.Flags.Has(wire.PSH) && len(s.Data) < 2*int(size)
	if len(s.Data) >= 2*int(size) {
		r.lastSize = size // a superframe of at least two full segments
	}
	if size > r.segmentSize || size == r.lastSize && !small {
		r.segmentSize = max(size, minSendMSS)
	}
	r.lastSize = size
}

// announce makes a segment that is sure to be sent carry our window, and counts its ACK as sent.
func (c *Conn) announce(out *Outgoing) {
	out.TCP.Window = c.announceWindow()
	if c.active != nil {
		c.active.stamp.last = out.TCP.Options.TSVal
	}
	c.acknowledged()
}

// acknowledged is called when a segment with an ACK has been built.
func (c *Conn) acknowledged() {
	c.ack.due = false
	c.ack.bytes = 0
	c.ack.note = NoteNone
	c.ack.duplicate = buffer.Range{}
	if c.active != nil {
		c.active.timer.ack = Never
	}
}
