package wire

import (
	"encoding/binary"
	"net/netip"
)

// IPv4HeaderLen is the length in bytes of an IPv4 header without options, as PutIPv4 writes it.
const IPv4HeaderLen = 20

// The fragment field: three flags and an offset in units of 8 bytes (RFC 791 3.1).
const (
	ipv4DontFragment  = 1 << 14
	ipv4MoreFragments = 1 << 13
	ipv4OffsetMask    = 1<<13 - 1
)

func parseIPv4(b []byte, ip *IP) ([]byte, error) {
	fragment, err := readIPv4(b, ip)
	if err != nil {
		return nil, err
	}
	if Fold(Sum(b[:ip.HeaderLen], 0)) != 0xffff {
		return nil, ErrIPv4Checksum
	}
	total := int(binary.BigEndian.Uint16(b[2:]))
	if total < ip.HeaderLen || total > len(b) {
		return nil, ErrIPv4TotalLength
	}
	if fragment&(ipv4MoreFragments|ipv4OffsetMask) != 0 {
		return nil, ErrFragment
	}
	return b[ip.HeaderLen:total], nil
}

// readIPv4 fills ip and returns the fragment field. It does not verify the checksum and the total length, because the
// packet that an ICMP message quotes is cut short and changed by routers.
func readIPv4(b []byte, ip *IP) (fragment uint16, err error) {
	if len(b) < IPv4HeaderLen {
		return 0, ErrTruncated
	}
	ip.TrafficClass = b[1]
	ip.HopLimit = b[8]
	ip.Protocol = Protocol(b[9])
	ip.Src = netip.AddrFrom4([4]byte(b[12:16]))
	ip.Dst = netip.AddrFrom4([4]byte(b[16:20]))
	ip.HeaderLen = int(b[0]&0xf) * 4
	if ip.HeaderLen < IPv4HeaderLen || ip.HeaderLen > len(b) {
		return 0, ErrIPv4HeaderLength
	}
	return binary.BigEndian.Uint16(b[6:]), nil
}

// PutIPv4 writes an IPv4 header of 20 bytes in front of b, for a payload of payloadLen bytes, and fills in the
// checksum. Unless ip.MayFragment is set, DF is set and the identification is 0 (RFC 6864 4.1). The length is 0 when
// the payload is larger than 65,515 bytes, as Linux writes it in GSO packets that large (BIG TCP).
func PutIPv4(b []byte, ip *IP, payloadLen int) {
	total := IPv4HeaderLen + payloadLen
	if total > 0xffff {
		total = 0
	}
	b = b[:IPv4HeaderLen]
	b[0] = 4<<4 | IPv4HeaderLen/4
	b[1] = ip.TrafficClass
	binary.BigEndian.PutUint16(b[2:], uint16(total))
	id, fragment := uint16(0), uint16(ipv4DontFragment)
	if ip.MayFragment {
		id, fragment = ip.ID, 0
	}
	binary.BigEndian.PutUint16(b[4:], id)
	binary.BigEndian.PutUint16(b[6:], fragment)
	b[8] = ip.HopLimit
	b[9] = uint8(ip.Protocol)
	binary.BigEndian.PutUint16(b[10:], 0)
	*(*[4]byte)(b[12:]) = ip.Src.As4()
	*(*[4]byte)(b[16:]) = ip.Dst.As4()
	binary.BigEndian.PutUint16(b[10:], ^Fold(Sum(b, 0)))
}
