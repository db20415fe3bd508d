package wire

import "net/netip"

// Protocol is an IP protocol number.
type Protocol uint8

const (
	ProtocolICMP   Protocol = 1
	ProtocolTCP    Protocol = 6
	ProtocolUDP    Protocol = 17
	ProtocolICMPv6 Protocol = 58
	ProtocolNone   Protocol = 59
)

// IP is what matters of an IP header of either version.
type IP struct {
	Src, Dst     netip.Addr
	Protocol     Protocol // of the payload, after IPv6 extension headers
	HopLimit     uint8    // or TTL
	TrafficClass uint8    // DSCP and ECN
	HeaderLen    int      // octets before the payload, extension headers included
}

// Is4 reports whether the addresses are IPv4.
func (ip *IP) Is4() bool { return ip.Src.Is4() }

// ParseIP fills ip from the packet b and returns the payload, without what may follow the length the header states.
func ParseIP(b []byte, ip *IP) (payload []byte, err error) {
	if len(b) == 0 {
		return nil, ErrTruncated
	}
	switch b[0] >> 4 {
	case 4:
		return parseIPv4(b, ip)
	case 6:
		return parseIPv6(b, ip)
	}
	return nil, ErrIPVersion
}

// PutIP writes an IPv4 or IPv6 header, by the family of ip.Src, and returns the octets written.
func PutIP(b []byte, ip *IP, payloadLen int) int {
	if ip.Is4() {
		PutIPv4(b, ip, payloadLen)
		return IPv4HeaderLen
	}
	PutIPv6(b, ip, payloadLen)
	return IPv6HeaderLen
}
