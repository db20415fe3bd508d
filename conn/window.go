package conn

import (
	"math"
	"time"

	"minitcp/conn/buffer"
	"minitcp/conn/delack"
	"minitcp/conn/seq"
	"minitcp/conn/window"
)

// The sequence space as offsets (RFC 9293 figures 3 and 4):
//
//	send       1 ........... una ............. nxt ........... edge
//	           | acknowledged | in flight       | may be sent    | must wait
//	                          | buf: kept until acknowledged ....... end
//	           max is the highest value of nxt; a timeout sets nxt back to una.
//
//	receive    1 ........... start ........... nxt ........... edge
//	           | read         | unread          | window         | not acceptable
//	                                              data out of order
//
// Offset 0 is the SYN. The FIN is the offset after the last byte of data.

// never is an offset that no stream reaches.
const never seq.Offset = math.MaxInt64

// sendSpace holds RFC 9293's SND variables, as offsets.
type sendSpace struct {
	iss         uint32
	bufferLimit int32 // largest size of buf in bytes
	scale       uint8 // Snd.Wind.Shift

	near        bool // Open.Near
	fixed       bool // the application has set bufferLimit
	moreFollows bool // the application is about to write the rest of its data
	finQueued   bool // the application has closed the sending direction
	blocked     bool // the congestion window, and nothing else, has limited Transmit since the last ACK
	overrideSWS bool // the override timer has expired: send a small segment (RFC 9293 3.8.6.2.1)
	windowProbe bool // the persist timer has expired: probe the closed window

	una seq.Offset // oldest unacknowledged byte
	nxt seq.Offset // next byte to send
	max seq.Offset // one past the highest byte ever sent

	wnd window.Peer
	buf buffer.Send
}

// finAcked reports whether the peer has acknowledged our FIN.
func (s *sendSpace) finAcked() bool { return s.finQueued && s.una > s.buf.End() }

// end returns one past the last byte to send, the FIN included.
func (s *sendSpace) end() seq.Offset {
	if s.finQueued {
		return s.buf.End() + 1
	}
	return s.buf.End()
}

// next returns the sequence number of a segment without data.
func (s *sendSpace) next() seq.Offset { return s.wnd.Next(s.una, s.max, s.scale) }

// windowClosed reports whether the peer's window ends at SND.UNA or before.
func (s *sendSpace) windowClosed() bool { return s.wnd.Closed(s.una) }

// receiveSpace holds RFC 9293's RCV variables, as offsets.
type receiveSpace struct {
	irs         uint32
	segmentSize delack.SegmentSize // of the peer, for delayed ACKs
	scale       uint8              // Rcv.Wind.Shift
	discard     bool               // the application has closed the receiving direction
	finDone     bool               // the peer's FIN and all data before it have arrived
	fixed       bool               // the application has set bufferLimit

	buf         buffer.Receive
	wnd         window.Local
	bufferLimit int           // largest number of unread bytes
	rtt         time.Duration // round-trip time measured by active.tuning, 0 before the first measurement
	finAt       seq.Offset    // position of the peer's FIN, never if none has arrived
}

// nxt returns RCV.NXT.
func (r *receiveSpace) nxt() seq.Offset {
	if r.finDone {
		return r.buf.Next() + 1
	}
	return r.buf.Next()
}

// space describes the receive buffer.
func (c *Conn) space() window.Space {
	b := &c.rcv.buf
	return window.Space{
		Start: b.Start(), End: b.Next(), Next: c.rcv.nxt(), Limit: int64(c.receiveLimit()), Scale: c.rcv.scale,
		Useful: int64(max(1, min(c.rcv.bufferLimit/2, c.fullSize()))),
	}
}

// considerWindowUpdate is called when the application has read data.
func (c *Conn) considerWindowUpdate() {
	if !c.state.mayReceive() {
		return
	}
	if s := c.space(); c.rcv.wnd.UpdateDue(&s) {
		c.ack.due = true
		c.ack.note = NoteWindowUpdate
	}
}
