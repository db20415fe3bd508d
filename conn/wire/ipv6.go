package wire

import (
	"encoding/binary"
	"net/netip"
)

// IPv6HeaderLen is the octets of an IPv6 header without extension headers.
const IPv6HeaderLen = 40

const (
	nextHopByHop    = 0
	nextRouting     = 43
	nextFragment    = 44
	nextDestination = 60
)

// parseIPv6 reads an IPv6 header and skips its extension headers (RFC 8200 3, 4).
func parseIPv6(b []byte, ip *IP) ([]byte, error) {
	if len(b) < IPv6HeaderLen {
		return nil, ErrTruncated
	}
	*ip = IP{
		Src:          netip.AddrFrom16([16]byte(b[8:24])),
		Dst:          netip.AddrFrom16([16]byte(b[24:40])),
		Protocol:     Protocol(b[6]),
		HopLimit:     b[7],
		TrafficClass: b[0]<<4 | b[1]>>4,
		HeaderLen:    IPv6HeaderLen,
	}
	length := int(binary.BigEndian.Uint16(b[4:]))
	if length == 0 && b[6] == nextHopByHop {
		return nil, ErrIPv6Jumbogram
	}
	if length > len(b)-IPv6HeaderLen {
		return nil, ErrIPv6PayloadLength
	}
	return skipExtensions(b[:IPv6HeaderLen+length], ip)
}

// skipExtensions moves ip past the extension headers. The chain ends with the packet, so the loop is bounded.
func skipExtensions(b []byte, ip *IP) ([]byte, error) {
	for {
		rest := b[ip.HeaderLen:]
		size := 0
		switch ip.Protocol {
		default:
			return rest, nil
		case nextHopByHop, nextDestination, nextRouting:
			if len(rest) < 8 {
				return nil, ErrIPv6Extension
			}
			size = 8 + 8*int(rest[1])
			if ip.Protocol == nextRouting && rest[3] != 0 {
				return nil, ErrIPv6Extension // segments left: it is to go somewhere else
			}
		case nextFragment:
			if len(rest) < 8 {
				return nil, ErrIPv6Extension
			}
			const offsetAndMore = 0xfff9
			if binary.BigEndian.Uint16(rest[2:])&offsetAndMore != 0 {
				return nil, ErrFragment // an atomic fragment is whole (RFC 6946)
			}
			size = 8
		}
		if size > len(rest) {
			return nil, ErrIPv6Extension
		}
		ip.Protocol = Protocol(rest[0])
		ip.HeaderLen += size
	}
}

// PutIPv6 writes a header of 40 octets.
func PutIPv6(b []byte, ip *IP, payloadLen int) {
	binary.BigEndian.PutUint32(b, 6<<28|uint32(ip.TrafficClass)<<20)
	binary.BigEndian.PutUint16(b[4:], uint16(payloadLen))
	b[6], b[7] = byte(ip.Protocol), ip.HopLimit
	src, dst := ip.Src.As16(), ip.Dst.As16()
	copy(b[8:], src[:])
	copy(b[24:], dst[:])
}
