package conn

import "minitcp/conn/wire"

// Reset builds the RST in reply to a segment without a connection (RFC 9293 3.10.7.1). It returns false if there is no
// reply, as to a RST. dataLen is the number of data bytes in the segment.
func Reset(h *wire.TCP, dataLen int, out *Outgoing) bool {
	if h.Flags.Has(wire.RST) {
		return false
	}
	out.reset(wire.RST)
	if h.Flags.Has(wire.ACK) {
		out.TCP.Seq = h.Ack
		return true
	}
	s := Segment{TCP: *h}
	out.TCP.Flags |= wire.ACK
	out.TCP.Ack = h.Seq + uint32(dataLen) + uint32(s.length())
	return true
}
