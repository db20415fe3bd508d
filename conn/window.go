package conn

import (
	"math"
	"time"

	"minitcp/conn/buffer"
	"minitcp/conn/seq"
	"minitcp/conn/wire"
)

// The sequence space, as offsets (RFC 9293 figures 3 and 4):
//
//	send       1 ........... una ............. nxt ........... edge
//	           | acknowledged | in flight       | may be sent    | must wait
//	                          | buf: kept until acknowledged ....... end
//	           max is the highest nxt ever was; a timeout pulls nxt back to una.
//
//	receive    1 ........... start ........... nxt ........... edge
//	           | read         | unread          | window         | not acceptable
//	                                              ahead: what came early
//
// Octet 0 is the SYN; the FIN is the octet after the last one of data.

// never is an offset no stream reaches.
const never seq.Offset = math.MaxInt64

// sendSpace is what we send: RFC 9293's SND variables, unwrapped.
type sendSpace struct {
	iss         uint32
	bufferLimit int32 // most bytes that buf may hold
	scale       uint8 // Snd.Wind.Shift

	fixed       bool // the application has set limit
	moreFollows bool // the application is about to write on
	finQueued   bool // the application wants no more sent after buf
	blocked     bool // the congestion window, and nothing else, held Transmit back since the last ACK
	overrideSWS bool // the override timer ran out: send a small segment anyway (RFC 9293 3.8.6.2.1)
	windowProbe bool // the persist timer ran out: probe the closed window

	una seq.Offset // oldest unacknowledged octet
	nxt seq.Offset // next octet to send
	max seq.Offset // one past the highest octet ever sent

	edge    seq.Offset // first octet the peer has no room for: SND.UNA+SND.WND when it was last told
	wl1     seq.Offset // segment and acknowledgement numbers of the last window update
	wl2     seq.Offset
	window  int32 // SND.WND as the last acceptable segment had it
	largest int32 // largest window the peer ever offered (MAX.SND.WND)

	buf buffer.Send
}

// finAcked reports whether the peer has acknowledged our FIN.
func (s *sendSpace) finAcked() bool { return s.finQueued && s.una > s.buf.End() }

// end is one past the last octet there is to send, the FIN included.
func (s *sendSpace) end() seq.Offset {
	if s.finQueued {
		return s.buf.End() + 1
	}
	return s.buf.End()
}

// next is the number for a segment without data: what the peer expects next if everything sent has arrived. But nothing
// beyond a window that shrank, where the octet of a probe may have gone: the peer would drop the segment with all it says.
// A scaled window seems to shrink by less than its unit when it is rounded down; that is not meant.
func (s *sendSpace) next() seq.Offset {
	if s.max < s.edge+1<<s.scale && !s.windowClosed() {
		return s.max
	}
	return max(s.una, min(s.max, max(s.edge, 1)))
}

// receiveSpace is what we receive: RFC 9293's RCV variables, unwrapped.
type receiveSpace struct {
	irs         uint32
	segmentSize int32 // bytes in the peer's full segments, for the delayed ACK
	lastSize    int32 // bytes in the last segment that came in order
	scale       uint8 // Rcv.Wind.Shift
	discard     bool  // the application wants no more data
	finDone     bool  // the peer's FIN has come, and everything before it too
	fixed       bool  // the application has set limit

	buf           buffer.Receive
	edge          seq.Offset    // first octet we have not offered room for; never moves back (SHLD-14)
	bufferLimit   int           // most unread octets to hold
	rtt           time.Duration // a round trip as receiveTuning has measured it; 0: not yet
	lastACK       seq.Offset    // Last.ACK.sent
	readAtLastACK seq.Offset    // how far the application had read by then
	finAt         seq.Offset    // where the peer's FIN is, once it has come
}

// nxt is RCV.NXT.
func (r *receiveSpace) nxt() seq.Offset {
	if r.finDone {
		return r.buf.Next() + 1
	}
	return r.buf.Next()
}

// windowScale is the shift that lets a window of n octets be announced (RFC 7323 2.3). At least 7, as a buffer may grow later.
func windowScale(n int) uint8 {
	scale := uint8(7)
	for scale < 14 && n>>scale > maxWindowField {
		scale++
	}
	return scale
}

// offeredEdge is where the window's edge could be moved to, with what is read and unread now.
func (c *Conn) offeredEdge() seq.Offset {
	r := &c.rcv
	room := c.receiveLimit() - r.buf.Readable()
	room = max(0, min(room, maxWindowField<<r.scale))
	return r.buf.Next() + seq.Offset(room)
}

// announceWindow moves the window's edge as far as is worthwhile and returns the window field.
// The edge never moves back, and forward only by a useful amount: receiver's silly window avoidance (RFC 9293
// 3.8.6.2.2, MUST-39).
func (c *Conn) announceWindow() uint16 {
	r := &c.rcv
	unit := int64(1) << r.scale
	if edge := c.offeredEdge(); int64(edge-r.edge) >= c.usefulWindow() {
		r.edge = max(r.edge, edge-(edge-r.nxt())%seq.Offset(unit)) // no further than the field can say
	}
	// Rounded up: rounding down would move the edge back by up to 2^scale-1 octets (RFC 7323 2.4). But segments of fewer
	// octets than that would push the edge ahead for ever, so beyond the buffer it is rounded down.
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

// usefulWindow is the least by which the edge may move: a full segment or half of the buffer.
func (c *Conn) usefulWindow() int64 {
	return int64(max(1, min(c.rcv.bufferLimit/2, c.fullSize())))
}

// considerWindowUpdate is called when the application has read: it makes an ACK due when the peer ought to know, because the
// window was as good as closed, or because a quarter of the buffer has become free since it was last told.
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

// updateSendWindow takes the window from an acceptable segment unless it, or what it acknowledges, is older than what
// came before (RFC 9293 3.10.7.4: SND.UNA =< SEG.ACK, and SND.WL1 and SND.WL2).
func (c *Conn) updateSendWindow(at, ack seq.Offset, h *wire.TCP) {
	s := &c.snd
	if ack < s.una || at < s.wl1 || at == s.wl1 && ack < s.wl2 {
		return
	}
	s.wl1, s.wl2 = at, ack
	s.window = int32(h.Window)
	if !h.Flags.Has(wire.SYN) { // whose window is never scaled (RFC 7323 2.2)
		s.window <<= s.scale
	}
	s.largest = max(s.largest, s.window)
	s.edge = ack + seq.Offset(s.window)
}

// windowClosed reports whether the peer has no room for anything we have not had acknowledged.
func (s *sendSpace) windowClosed() bool { return s.edge <= s.una }

// window fields carry at most this before scaling.
const maxWindowField = 65535
