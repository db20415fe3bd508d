package wire

import (
	"encoding/binary"
	"net/netip"
)

// IPv4HeaderLen is the octets of an IPv4 header without options.
const IPv4HeaderLen = 20

// parseIPv4 reads an IPv4 header (RFC 791 3.1). Options are skipped (RFC 9293 3.9.2, MUST-50).
func parseIPv4(b []byte, ip *IP) ([]byte, error) {
	if len(b) < IPv4HeaderLen {
		return nil, ErrTruncated
	}
	n := int(b[0]&15) * 4
	if n < IPv4HeaderLen || n > len(b) {
		return nil, ErrIPv4HeaderLength
	}
	total := int(binary.BigEndian.Uint16(b[2:]))
	if total < n || total > len(b) {
		return nil, ErrIPv4TotalLength
	}
	if Fold(Sum(b[:n], 0)) != 0xffff {
		return nil, ErrIPv4Checksum
	}
	*ip = IP{
		Src:          netip.AddrFrom4([4]byte(b[12:16])),
		Dst:          netip.AddrFrom4([4]byte(b[16:20])),
		Protocol:     Protocol(b[9]),
		HopLimit:     b[8],
		TrafficClass: b[1],
		HeaderLen:    n,
	}
	const moreFragmentsAndOffset = 0x3fff
	if binary.BigEndian.Uint16(b[6:])&moreFragmentsAndOffset != 0 {
		return nil, ErrFragment
	}
	return b[n:total], nil
}

// PutIPv4 writes a header of 20 octets: not to be fragmented, and so with an ID of 0 (RFC 6864 4.1).
func PutIPv4(b []byte, ip *IP, payloadLen int) {
	b[0], b[1] = 4<<4|IPv4HeaderLen/4, ip.TrafficClass
	binary.BigEndian.PutUint16(b[2:], uint16(IPv4HeaderLen+payloadLen))
	const doNotFragment = 0x4000
	binary.BigEndian.PutUint32(b[4:], doNotFragment)
	b[8], b[9], b[10], b[11] = ip.HopLimit, byte(ip.Protocol), 0, 0
	src, dst := ip.Src.As4(), ip.Dst.As4()
	copy(b[12:], src[:])
	copy(b[16:], dst[:])
	binary.BigEndian.PutUint16(b[10:], ^Fold(Sum(b[:IPv4HeaderLen], 0)))
}
