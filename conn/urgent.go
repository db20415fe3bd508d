package conn

import (
	"minitcp/conn/seq"
	"minitcp/conn/wire"
)

// Urgent data is ordinary data with a pointer to the octet after its end (RFC 9293 3.8.5, RFC 6093). It is delivered in
// line; the application can ask how much of it is still ahead.

// urgentHeader sets URG and the pointer while urgent data is at or after at (MUST-62).
func (c *Conn) urgentHeader(out *Outgoing, at seq.Offset) {
	if c.snd.urgent <= at {
		return
	}
	out.TCP.Flags |= wire.URG
	out.TCP.Urgent = uint16(min(c.snd.urgent-at, 65535))
}

// receiveUrgent is the sixth step: RCV.UP moves forward only, and counts even when the window is closed (MUST-66).
func (c *Conn) receiveUrgent(s *Segment, at seq.Offset) {
	if !s.TCP.Flags.Has(wire.URG) || !c.state.mayReceive() {
		return
	}
	c.rcv.urgent = max(c.rcv.urgent, at+seq.Offset(s.TCP.Urgent))
}

// Urgent reports whether urgent data is ahead of what Read will return next, and how many octets there are to its end
// as far as is known (MUST-32, MUST-33).
func (c *Conn) Urgent() (remaining int, pending bool) {
	n := int(c.rcv.urgent - c.rcv.buf.Start())
	return max(n, 0), n > 0
}
