package conn

import (
	"minitcp/conn/seq"
	"minitcp/conn/wire"
)

// Urgent data is ordinary data with a pointer to the byte after its end (RFC 9293 3.8.5, RFC 6093). It is delivered in
// order with the other data. The application can get the distance to its end.

// urgent holds the urgent pointers. An idle connection has neither sent nor received urgent data ahead of the reader.
type urgent struct {
	send    seq.Offset // SND.UP: one past the last urgent byte, 0: none
	receive seq.Offset // RCV.UP, 0: none
}

// urgentHeader sets URG and the pointer while urgent data is at or after at (MUST-62).
func (c *Conn) urgentHeader(out *Outgoing, at seq.Offset) {
	if c.active.urgent.send <= at {
		return
	}
	out.TCP.Flags |= wire.URG
	out.TCP.Urgent = uint16(min(c.active.urgent.send-at, 65535))
}

// receiveUrgent performs the sixth step. RCV.UP only increases, and is processed even if the window is closed
// (MUST-66).
func (c *Conn) receiveUrgent(s *Segment, at seq.Offset) {
	if !s.TCP.Flags.Has(wire.URG) || !c.state.mayReceive() {
		return
	}
	if end := at + seq.Offset(s.TCP.Urgent); end > c.rcv.buf.Start() {
		c.resume()
		c.active.urgent.receive = max(c.active.urgent.receive, end)
	}
}

// Urgent reports whether urgent data is unread, and the number of bytes to its end as far as it is known (MUST-32,
// MUST-33).
func (c *Conn) Urgent() (remaining int, pending bool) {
	if c.active == nil {
		return 0, false
	}
	n := int(c.active.urgent.receive - c.rcv.buf.Start())
	return max(n, 0), n > 0
}
