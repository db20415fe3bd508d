package wire

import (
	"encoding/binary"
	"net/netip"
)

// UDPHeaderLen is the length of a UDP header in bytes.
const UDPHeaderLen = 8

// UDP is a UDP header [RFC 768].
type UDP struct {
	SrcPort, DstPort uint16
	Length           int // of header and data in bytes
}

// ParseUDP reads the UDP header in front of b into h and returns the datagram's data. Bytes after the length that the
// header states are dropped. The checksum is not verified: see [VerifyUDP]. The error is ErrTruncated or
// ErrUDPLength.
func ParseUDP(b []byte, h *UDP) (data []byte, err error) {
	*h = UDP{}
	if len(b) < UDPHeaderLen {
		return nil, ErrTruncated
	}
	h.SrcPort = binary.BigEndian.Uint16(b)
	h.DstPort = binary.BigEndian.Uint16(b[2:])
	h.Length = int(binary.BigEndian.Uint16(b[4:]))
	if h.Length < UDPHeaderLen || h.Length > len(b) {
		return nil, ErrUDPLength
	}
	return b[UDPHeaderLen:h.Length], nil
}

// VerifyUDP reports whether the checksum of the datagram b, header and data, is right. A checksum of 0 means that the
// sender made none, which IPv4 allows and IPv6 does not [RFC 1122 4.1.3.4, RFC 8200 8.1].
func VerifyUDP(src, dst netip.Addr, b []byte) bool {
	if b[6] == 0 && b[7] == 0 {
		return src.Is4()
	}
	return Fold(Sum(b, PseudoHeaderSum(src, dst, ProtocolUDP, len(b)))) == 0xffff
}

// PutUDP writes the header of a datagram with dataLen bytes of data in front of b. Its checksum field is 0.
func PutUDP(b []byte, srcPort, dstPort uint16, dataLen int) {
	b = b[:UDPHeaderLen]
	binary.BigEndian.PutUint16(b, srcPort)
	binary.BigEndian.PutUint16(b[2:], dstPort)
	binary.BigEndian.PutUint16(b[4:], uint16(UDPHeaderLen+dataLen))
	binary.BigEndian.PutUint16(b[6:], 0)
}

// UDPChecksumOffset is the position of the checksum in a UDP header.
const UDPChecksumOffset = 6

// PutUDPChecksum writes the checksum of a datagram into its header, in front of b. Sum is [Checksum]'s result over the
// pseudo-header, the header and the data. A sum of 0 becomes 0xffff, as 0 means that there is none [RFC 768].
func PutUDPChecksum(b []byte, sum uint16) {
	if sum == 0 {
		sum = 0xffff
	}
	binary.BigEndian.PutUint16(b[UDPChecksumOffset:], sum)
}
