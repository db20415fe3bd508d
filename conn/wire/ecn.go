package wire

import "encoding/binary"

// ECN is the codepoint in the two low bits of IPv4's type of service and IPv6's traffic class: whether the packet's
// sender heeds marks, and whether a router on the way has made one (RFC 3168 5).
type ECN uint8

const (
	NotECT ECN = 0 // a router that is congested drops it
	ECT1   ECN = 1 // set aside for experiments (RFC 8311 4.2, RFC 9331)
	ECT0   ECN = 2 // a router that is congested may mark it instead
	CE     ECN = 3 // a router has marked it
)

const ecnMask = 3

// String returns the codepoint's name in RFC 3168.
func (e ECN) String() string {
	return [...]string{"Not-ECT", "ECT(1)", "ECT(0)", "CE"}[e&ecnMask]
}

// ECN returns the codepoint in the traffic class.
func (ip *IP) ECN() ECN { return ECN(ip.TrafficClass & ecnMask) }

// SetECN puts the codepoint into the traffic class, whose DSCP stays.
func (ip *IP) SetECN(e ECN) { ip.TrafficClass = ip.TrafficClass&^ecnMask | uint8(e&ecnMask) }

// MarkCE marks the packet in front of b, and reports whether that may be done: a sender that says Not-ECT knows nothing
// of marks (RFC 3168 5). IPv4's checksum is kept right, if it was, by what the change adds to it (RFC 1624 3).
func MarkCE(b []byte) bool {
	if len(b) < IPv4HeaderLen {
		return false
	}
	switch b[0] >> 4 {
	case 4:
		if b[1]&ecnMask == uint8(NotECT) {
			return false
		}
		more := uint32(uint8(CE) - b[1]&ecnMask) // of the 16-bit word the field is the low half of
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
