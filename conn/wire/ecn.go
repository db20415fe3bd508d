package wire

import "encoding/binary"

// ECN is the codepoint in the two low bits of IPv4's type of service and IPv6's traffic class. It holds whether the
// sender supports ECN, and whether a router has marked the packet (RFC 3168 5).
type ECN uint8

const (
	NotECT ECN = 0 // a congested router drops the packet
	ECT1   ECN = 1 // for experiments (RFC 8311 4.2, RFC 9331)
	ECT0   ECN = 2 // a congested router may mark the packet instead
	CE     ECN = 3 // a router has marked the packet
)

const ecnMask = 3

// String returns the codepoint's name in RFC 3168.
func (e ECN) String() string {
	return [...]string{"Not-ECT", "ECT(1)", "ECT(0)", "CE"}[e&ecnMask]
}

// ECN returns the codepoint in the traffic class.
func (ip *IP) ECN() ECN { return ECN(ip.TrafficClass & ecnMask) }

// SetECN sets the codepoint in the traffic class, and leaves the DSCP as it is.
func (ip *IP) SetECN(e ECN) { ip.TrafficClass = ip.TrafficClass&^ecnMask | uint8(e&ecnMask) }

// MarkCE marks the packet in front of b, and reports whether it did. It does not mark a packet that is Not-ECT, whose
// sender does not support ECN (RFC 3168 5). A correct checksum of IPv4 stays correct (RFC 1624 3).
func MarkCE(b []byte) bool {
	if len(b) < IPv4HeaderLen {
		return false
	}
	switch b[0] >> 4 {
	case 4:
		if b[1]&ecnMask == uint8(NotECT) {
			return false
		}
		more := uint32(uint8(CE) - b[1]&ecnMask) // increase of the 16-bit word whose low half is the field
		sum := ^binary.BigEndian.Uint16(b[10:])
		b[1] |= uint8(CE)
		binary.BigEndian.PutUint16(b[10:], ^Fold(uint32(sum)+more))
		return true
	case 6:
		if b[1]>>4&ecnMask == uint8(NotECT) {
			return false
		}
		b[1] |= uint8(CE) << 4
		return true
	}
	return false
}
