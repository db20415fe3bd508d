package conn

import "minitcp/conn/wire"

// Reset builds the RST that answers a segment for which there is no connection (RFC 9293 3.10.7.1), and reports whether
// there is one: a RST is never answered. DataLen is the octets of data the segment carried.
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
