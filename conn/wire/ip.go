package wire

import (
	"net/netip"
	"strconv"
)

// Protocol is the number of the protocol an IP packet carries, as assigned by IANA.
type Protocol uint8

// Protocols that this package handles. ProtocolNone is IPv6's "no next header" (RFC 8200 4.7).
const (
	ProtocolICMP   Protocol = 1
	ProtocolTCP    Protocol = 6
	ProtocolUDP    Protocol = 17
	ProtocolICMPv6 Protocol = 58
	ProtocolNone   Protocol = 59
)

// String returns the protocol's name, or "protocol 89".
func (p Protocol) String() string {
	switch p {
	case ProtocolICMP:
		return "ICMP"
	case ProtocolTCP:
		return "TCP"
	case ProtocolUDP:
		return "UDP"
	case ProtocolICMPv6:
		return "ICMPv6"
	case ProtocolNone:
		return "none"
	}
	return "protocol " + strconv.Itoa(int(p))
}

// IP holds the fields of an IP header of either version that this package uses, with those of IPv6 extension headers.
type IP struct {
	Src, Dst     netip.Addr // both of one family, without a zone
	Protocol     Protocol   // of the payload, after any extension headers
	HopLimit     uint8      // IPv4's time to live
	TrafficClass uint8      // DSCP<<2 | [ECN]
	HeaderLen    int        // set by ParseIP: bytes before the payload, options and extension headers included

	// MayFragment clears DF in an IPv4 packet that is written. ID must then differ from that of other packets between
	// the same addresses that may be in flight (RFC 6864 4.3). ParseIP does not set them.
	MayFragment bool
	ID          uint16
}

// Is4 reports whether the packet is IPv4. An IPv6 packet between IPv4-mapped addresses is not.
func (ip *IP) Is4() bool { return ip.Src.Is4() }

// ParseIP reads the IP header in front of b into ip and returns the payload, trimmed to the length the header states:
// padding after it is dropped. Options and extension headers are skipped (RFC 9293 MUST-50), and IPv4's header checksum
// is verified. With an error, the payload is nil and ip is filled as far as the packet could be read: completely up to
// the point where it stops making sense, which for ErrFragment is everything.
//
// An unknown protocol is not an error. The authentication header (RFC 4302) counts as an unknown protocol, because this
// package cannot verify it.
func ParseIP(b []byte, ip *IP) (payload []byte, err error) {
	*ip = IP{}
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

// PutIP writes an IP header of the addresses' version in front of b, as PutIPv4 or PutIPv6 does, and returns its
// length.
func PutIP(b []byte, ip *IP, payloadLen int) int {
	if ip.Is4() {
		PutIPv4(b, ip, payloadLen)
		return IPv4HeaderLen
	}
	PutIPv6(b, ip, payloadLen)
	return IPv6HeaderLen
}
