package conn

import (
	"math"
	"time"

	"minitcp/conn/buffer"
	"minitcp/conn/delack"
	"minitcp/conn/seq"
	"minitcp/conn/wire"
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

	fixed       bool // the application has set bufferLimit
	moreFollows bool // the application is about to write the rest of its data
	finQueued   bool // the application has closed the sending direction
	blocked     bool // the congestion window, and nothing else, has limited Transmit since the last ACK
	overrideSWS bool // the override timer has expired: send a small segment (RFC 9293 3.8.6.2.1)
	windowProbe bool // the persist timer has expired: probe the closed window

	una seq.Offset // oldest unacknowledged byte
	nxt seq.Offset // next byte to send
	max seq.Offset // one past the highest byte ever sent

	edge    seq.Offset // first byte beyond the peer's window: SND.UNA+SND.WND at the last update
	wl1     seq.Offset // sequence and acknowledgment numbers of the last window update
	wl2     seq.Offset
	window  int32 // SND.WND
	largest int32 // largest window of the peer so far (MAX.SND.WND)

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

// next returns the sequence number of a segment without data: the byte that the peer expects next if all data has
// arrived. It is not beyond a window that has shrunk, even if a probe was sent there, since the peer would drop the
// segment with its ACK. A scaled window that shrinks by less than its unit has only been rounded down, and does not
// count.
func (s *sendSpace) next() seq.Offset {
	if s.max < s.edge+1<<s.scale && !s.windowClosed() {
		return s.max
	}
	return max(s.una, min(s.max, max(s.edge, 1)))
}

// receiveSpace holds RFC 9293's RCV variables, as offsets.
type receiveSpace struct {
	irs         uint32
	segmentSize delack.SegmentSize // of the peer, for delayed ACKs
	scale       uint8              // Rcv.Wind.Shift
	discard     bool               // the application has closed the receiving direction
	finDone     bool               // the peer's FIN and all data before it have arrived
	fixed       bool               // the application has set bufferLimit

	buf           buffer.Receive
	edge          seq.Offset    // first byte beyond the advertised window; never decreases (SHLD-14)
	bufferLimit   int           // largest number of unread bytes
	rtt           time.Duration // round-trip time measured by active.tuning, 0 before the first measurement
	lastACK       seq.Offset    // Last.ACK.sent
	readAtLastACK seq.Offset    // end of the data read at that time
	finAt         seq.Offset    // position of the peer's FIN, never if none has arrived
}

// nxt returns RCV.NXT.
func (r *receiveSpace) nxt() seq.Offset {
	if r.finDone {
		return r.buf.Next() + 1
	}
	return r.buf.Next()
}

// offeredEdge returns the largest window edge that the buffer permits now.
func (c *Conn) offeredEdge() seq.Offset {
	r := &c.rcv
	room := c.receiveLimit() - r.buf.Readable()
	room = max(0, min(room, maxWindowField<<r.scale))
	return r.buf.Next() + seq.Offset(room)
}

// announceWindow advances the window's edge if that is useful, and returns the window field. The edge never decreases,
// and advances only by a useful amount (receiver's silly window avoidance, RFC 9293 3.8.6.2.2, MUST-39).
func (c *Conn) announceWindow() uint16 {
	r := &c.rcv
	unit := int64(1) << r.scale
	if edge := c.offeredEdge(); int64(edge-r.edge) >= c.usefulWindow() {
		r.edge = max(r.edge, edge-(edge-r.nxt())%seq.Offset(unit)) // not beyond the edge that the field can express
	}
	// The field is rounded up: rounding down would move the edge back by up to 2^scale-1 bytes (RFC 7323 2.4). Segments
	// with fewer bytes than that would advance the edge without limit, so beyond the buffer it is rounded down.
	open := max(0, int64(r.edge-r.nxt()))
	field := min((open+unit-1)>>r.scale, maxWindowField)
	if edge := r.nxt() + seq.Offset(field<<r.scale); edge <= r.buf.Start()+seq.Offset(c.receiveLimit()) {
		r.edge = max(r.edge, edge)
	} else {
		field = min(open>>r.scale, maxWindowField)
	}
	r.lastACK = r.nxt()
	r.readAtLastACK = r.buf.Start()
	return uint16(field)
}

// usefulWindow returns the least amount by which the edge may advance: a full segment or half of the buffer.
func (c *Conn) usefulWindow() int64 {
	return int64(max(1, min(c.rcv.bufferLimit/2, c.fullSize())))
}

// considerWindowUpdate is called when the application has read data. It sends an ACK if the window was nearly closed,
// or if a quarter of the buffer has become free since the last ACK.
func (c *Conn) considerWindowUpdate() {
	if !c.state.mayReceive() {
		return
	}
	r := &c.rcv
	gain := int64(c.offeredEdge() - r.edge)
	wasClosed := int64(r.edge-r.nxt()) < c.usefulWindow()
	if gain >= c.usefulWindow() && (wasClosed || int64(r.buf.Start()-r.readAtLastACK) >= int64(c.receiveLimit()/4)) {
		c.ack.due = true
		c.ack.note = NoteWindowUpdate
	}
}

// updateSendWindow takes the window from an acceptable segment, unless the segment or its ACK is older than that of the
// last update (RFC 9293 3.10.7.4: SND.UNA =< SEG.ACK, SND.WL1, SND.WL2).
func (c *Conn) updateSendWindow(at, ack seq.Offset, h *wire.TCP) {
	s := &c.snd
	if ack < s.una || at < s.wl1 || at == s.wl1 && ack < s.wl2 {
		return
	}
	s.wl1, s.wl2 = at, ack
	s.window = int32(h.Window)
	if !h.Flags.Has(wire.SYN) { // the window in a SYN is never scaled (RFC 7323 2.2)
		s.window <<= s.scale
	}
	s.largest = max(s.largest, s.window)
	s.edge = ack + seq.Offset(s.window)
}

// windowClosed reports whether the peer's window ends at SND.UNA or before.
func (s *sendSpace) windowClosed() bool { return s.edge <= s.una }

// maxWindowField is the largest value of the window field before scaling.
const maxWindowField = 65535
