package wire

import (
	"encoding/binary"
	"net/netip"
)

// IPv6HeaderLen is the length in bytes of an IPv6 header without extension headers, as PutIPv6 writes it.
const IPv6HeaderLen = 40

// Extension headers (RFC 8200 4).
const (
	ipv6HopByHop           Protocol = 0
	ipv6Routing            Protocol = 43
	ipv6Fragment           Protocol = 44
	ipv6DestinationOptions Protocol = 60
)

// Options of the hop-by-hop and destination options headers (RFC 8200 4.2, RFC 2675 2). The two highest bits of an
// option's type hold the treatment of the packet if the option is unknown. 0 means that the option is skipped.
const (
	ipv6Pad1         = 0
	ipv6JumboPayload = 0xc2
	ipv6ActionMask   = 0xc0
)

func parseIPv6(b []byte, ip *IP) ([]byte, error) {
	if err := readIPv6(b, ip); err != nil {
		return nil, err
	}
	length := int(binary.BigEndian.Uint16(b[4:]))
	if length == 0 && ip.Protocol == ipv6HopByHop {
		// The length is that in an option of a jumbogram, or the next header is missing.
		if err := checkExtension(ipv6HopByHop, b[IPv6HeaderLen:], IPv6HeaderLen); err == ErrIPv6Jumbogram {
			return nil, err
		}
		return nil, ErrIPv6PayloadLength
	}
	if length > len(b)-IPv6HeaderLen {
		return nil, ErrIPv6PayloadLength
	}
	b = b[:IPv6HeaderLen+length]
	for isExtension(ip.Protocol) {
		extension := b[ip.HeaderLen:]
		if err := checkExtension(ip.Protocol, extension, ip.HeaderLen); err != nil {
			return nil, err
		}
		skipExtension(extension, ip)
	}
	return b[ip.HeaderLen:], nil
}

// readIPv6 fills ip from the fixed header, whose next header is left in Protocol.
func readIPv6(b []byte, ip *IP) error {
	if len(b) < IPv6HeaderLen {
		return ErrTruncated
	}
	ip.TrafficClass = b[0]<<4 | b[1]>>4
	ip.Protocol = Protocol(b[6])
	ip.HopLimit = b[7]
	ip.Src = netip.AddrFrom16([16]byte(b[8:24]))
	ip.Dst = netip.AddrFrom16([16]byte(b[24:40]))
	ip.HeaderLen = IPv6HeaderLen
	return nil
}

func isExtension(p Protocol) bool {
	return p == ipv6HopByHop || p == ipv6Routing || p == ipv6Fragment || p == ipv6DestinationOptions
}

// extensionLen returns the length of the extension header p in front of b, or 0 if b is too short for it.
func extensionLen(p Protocol, b []byte) int {
	if len(b) < 8 {
		return 0
	}
	n := 8
	if p != ipv6Fragment { // whose second byte is reserved
		n += int(b[1]) * 8
	}
	if n > len(b) {
		return 0
	}
	return n
}

// skipExtension moves ip past the extension header in front of b, which must be complete.
func skipExtension(b []byte, ip *IP) {
	n := extensionLen(ip.Protocol, b)
	ip.Protocol = Protocol(b[0])
	ip.HeaderLen += n
}

// checkExtension returns an error if the extension header p in front of b, which begins at byte at of its packet,
// forbids delivery to this host.
func checkExtension(p Protocol, b []byte, at int) error {
	n := extensionLen(p, b)
	if n == 0 {
		return ErrIPv6Extension
	}
	switch p {
	case ipv6HopByHop:
		if at != IPv6HeaderLen { // it must be the first (RFC 8200 4.1)
			return ErrIPv6Extension
		}
		return checkIPv6Options(b[2:n])
	case ipv6DestinationOptions:
		return checkIPv6Options(b[2:n])
	case ipv6Routing:
		if b[3] != 0 { // segments left: this host is not the destination, and does not forward
			return ErrIPv6Extension
		}
	case ipv6Fragment:
		// With offset 0 and without the M flag, this is an atomic fragment, a whole packet (RFC 6946).
		if binary.BigEndian.Uint16(b[2:])&^0x6 != 0 {
			return ErrFragment
		}
	}
	return nil
}

// checkIPv6Options returns an error if one of the options in b forbids delivery.
func checkIPv6Options(b []byte) error {
	for len(b) > 0 {
		if b[0] == ipv6Pad1 {
			b = b[1:]
			continue
		}
		if len(b) < 2 || 2+int(b[1]) > len(b) {
			return ErrIPv6Extension
		}
		switch {
		case b[0] == ipv6JumboPayload:
			return ErrIPv6Jumbogram
		case b[0]&ipv6ActionMask != 0:
			return ErrIPv6Option
		}
		b = b[2+int(b[1]):]
	}
	return nil
}

// PutIPv6 writes an IPv6 header of 40 bytes in front of b, for a payload of payloadLen bytes, at most 65,535. The flow
// label is 0.
func PutIPv6(b []byte, ip *IP, payloadLen int) {
	if payloadLen > 0xffff {
		panic("wire: IPv6 payload is longer than 65535 bytes")
	}
	b = b[:IPv6HeaderLen]
	binary.BigEndian.PutUint32(b, 6<<28|uint32(ip.TrafficClass)<<20)
	binary.BigEndian.PutUint16(b[4:], uint16(payloadLen))
	b[6] = uint8(ip.Protocol)
	b[7] = ip.HopLimit
	*(*[16]byte)(b[8:]) = ip.Src.As16()
	*(*[16]byte)(b[24:]) = ip.Dst.As16()
}
