package wire

import "encoding/binary"

// ICMP is a message of ICMP for IPv4 (RFC 792) or IPv6 (RFC 4443). Which of ID, Seq, MTU and Pointer there are depends
// on Type and Code; the others are 0.
type ICMP struct {
	Type, Code uint8
	ID, Seq    uint16 // echo and echo reply
	MTU        uint32 // in bytes, of ICMPv4FragmentationNeeded (0 from routers before RFC 1191) and ICMPv6TooBig
	Pointer    uint32 // of a parameter problem: the offset of the faulty byte
	Body       []byte // echo data, or the beginning of the datagram that caused an error
}

const icmpHeaderLen = 8

// Types of ICMP for IPv4.
const (
	ICMPv4EchoReply        = 0
	ICMPv4Unreachable      = 3
	ICMPv4SourceQuench     = 4
	ICMPv4Redirect         = 5
	ICMPv4Echo             = 8
	ICMPv4TimeExceeded     = 11
	ICMPv4ParameterProblem = 12
)

// Codes of ICMPv4Unreachable (RFC 792, RFC 1122 3.2.2.1). There are more.
const (
	ICMPv4NetUnreachable      = 0
	ICMPv4HostUnreachable     = 1
	ICMPv4ProtocolUnreachable = 2
	ICMPv4PortUnreachable     = 3
	ICMPv4FragmentationNeeded = 4
	ICMPv4SourceRouteFailed   = 5
	ICMPv4AdminProhibited     = 13
)

// Types of ICMP for IPv6. Those below 128 are errors.
const (
	ICMPv6Unreachable      = 1
	ICMPv6TooBig           = 2
	ICMPv6TimeExceeded     = 3
	ICMPv6ParameterProblem = 4
	ICMPv6Echo             = 128
	ICMPv6EchoReply        = 129
)

// Codes of ICMPv6Unreachable (RFC 4443 3.1).
const (
	ICMPv6NoRoute            = 0
	ICMPv6AdminProhibited    = 1
	ICMPv6BeyondScope        = 2
	ICMPv6AddressUnreachable = 3
	ICMPv6PortUnreachable    = 4
)

// Codes of ICMPv6ParameterProblem (RFC 4443 3.4).
const (
	ICMPv6ErroneousHeader   = 0
	ICMPv6UnknownNextHeader = 1
	ICMPv6UnknownOption     = 2
)

// rest is the meaning of the four bytes after type, code and checksum.
type rest uint8

const (
	restUnused rest = iota
	restEcho
	restMTU16
	restMTU32
	restPointer8
	restPointer32
)

func restOf(p Protocol, kind, code uint8) rest {
	if p == ProtocolICMPv6 {
		switch kind {
		case ICMPv6Echo, ICMPv6EchoReply:
			return restEcho
		case ICMPv6TooBig:
			return restMTU32
		case ICMPv6ParameterProblem:
			return restPointer32
		}
		return restUnused
	}
	switch {
	case kind == ICMPv4Echo, kind == ICMPv4EchoReply:
		return restEcho
	case kind == ICMPv4Unreachable && code == ICMPv4FragmentationNeeded:
		return restMTU16
	case kind == ICMPv4ParameterProblem:
		return restPointer8
	}
	return restUnused
}

// ParseICMP reads the ICMP message b, the payload of the packet ip, into m. The version of ICMP is that of ip.Protocol:
// ProtocolICMPv6, or else the one for IPv4. Errors are ErrICMPTruncated and ErrICMPChecksum; then m is zero.
func ParseICMP(ip *IP, b []byte, m *ICMP) error {
	*m = ICMP{}
	if len(b) < icmpHeaderLen {
		return ErrICMPTruncated
	}
	if Fold(Sum(b, icmpInitial(ip, len(b)))) != 0xffff {
		return ErrICMPChecksum
	}
	m.Type, m.Code = b[0], b[1]
	switch restOf(ip.Protocol, m.Type, m.Code) {
	case restEcho:
		m.ID, m.Seq = binary.BigEndian.Uint16(b[4:]), binary.BigEndian.Uint16(b[6:])
	case restMTU16:
		m.MTU = uint32(binary.BigEndian.Uint16(b[6:])) // RFC 1191 4
	case restMTU32:
		m.MTU = binary.BigEndian.Uint32(b[4:])
	case restPointer8:
		m.Pointer = uint32(b[4])
	case restPointer32:
		m.Pointer = binary.BigEndian.Uint32(b[4:])
	}
	m.Body = b[icmpHeaderLen:]
	return nil
}

// PutICMP writes m to the front of b, with the checksum for a packet between ip's addresses, and returns its length:
// 8+len(m.Body). The version of ICMP is that of ip.Protocol, as for ParseICMP. The body may lie in b.
func PutICMP(b []byte, ip *IP, m *ICMP) int {
	n := icmpHeaderLen + len(m.Body)
	b = b[:n]
	copy(b[icmpHeaderLen:], m.Body) // first, because it may lie in the header's place
	b[0], b[1] = m.Type, m.Code
	clear(b[2:icmpHeaderLen])
	switch restOf(ip.Protocol, m.Type, m.Code) {
	case restEcho:
		binary.BigEndian.PutUint16(b[4:], m.ID)
		binary.BigEndian.PutUint16(b[6:], m.Seq)
	case restMTU16:
		binary.BigEndian.PutUint16(b[6:], uint16(min(m.MTU, 0xffff)))
	case restMTU32:
		binary.BigEndian.PutUint32(b[4:], m.MTU)
	case restPointer8:
		b[4] = uint8(min(m.Pointer, 0xff))
	case restPointer32:
		binary.BigEndian.PutUint32(b[4:], m.Pointer)
	}
	binary.BigEndian.PutUint16(b[2:], ^Fold(Sum(b, icmpInitial(ip, n))))
	return n
}

// icmpInitial returns the initial value of the checksum. Only that of ICMPv6 has a pseudo-header (RFC 4443 2.3).
func icmpInitial(ip *IP, length int) uint32 {
	if ip.Protocol != ProtocolICMPv6 {
		return 0
	}
	return PseudoHeaderSum(ip.Src, ip.Dst, ProtocolICMPv6, length)
}

// ParseQuoted reads the packet that an ICMP error quotes: its IP header into ip, the ports of TCP and UDP, and the
// sequence number of TCP. Of an ICMP echo request, srcPort is the identifier. All are 0 for other protocols. 8 bytes
// after the IP header suffice (RFC 792). The packet may be cut short, and routers have changed it on the way, so
// checksums and lengths are not verified.
//
// Errors are ErrTruncated, ErrIPVersion, ErrIPv4HeaderLength, ErrIPv6Extension if the end comes within the extension
// headers, and ErrFragment for a fragment that is not the first.
func ParseQuoted(b []byte, ip *IP) (srcPort, dstPort uint16, seq uint32, err error) {
	*ip = IP{}
	if len(b) == 0 {
		return 0, 0, 0, ErrTruncated
	}
	switch b[0] >> 4 {
	case 4:
		err = quotedIPv4(b, ip)
	case 6:
		err = quotedIPv6(b, ip)
	default:
		err = ErrIPVersion
	}
	if err != nil {
		return 0, 0, 0, err
	}
	switch ip.Protocol {
	case ProtocolTCP, ProtocolUDP, ProtocolICMP, ProtocolICMPv6:
	default:
		return 0, 0, 0, nil
	}
	b = b[ip.HeaderLen:]
	if len(b) < 8 {
		return 0, 0, 0, ErrTruncated
	}
	switch ip.Protocol {
	case ProtocolICMP, ProtocolICMPv6:
		if b[0] == ICMPv4Echo || b[0] == ICMPv6Echo {
			srcPort = binary.BigEndian.Uint16(b[4:])
		}
		return srcPort, 0, 0, nil
	case ProtocolTCP:
		seq = binary.BigEndian.Uint32(b[4:])
	}
	return binary.BigEndian.Uint16(b), binary.BigEndian.Uint16(b[2:]), seq, nil
}

func quotedIPv4(b []byte, ip *IP) error {
	fragment, err := readIPv4(b, ip)
	if err == nil && fragment&ipv4OffsetMask != 0 {
		err = ErrFragment
	}
	return err
}

func quotedIPv6(b []byte, ip *IP) error {
	if err := readIPv6(b, ip); err != nil {
		return err
	}
	for isExtension(ip.Protocol) {
		extension := b[ip.HeaderLen:]
		if extensionLen(ip.Protocol, extension) == 0 {
			return ErrIPv6Extension
		}
		if ip.Protocol == ipv6Fragment && binary.BigEndian.Uint16(extension[2:])>>3 != 0 {
			return ErrFragment
		}
		skipExtension(extension, ip)
	}
	return nil
}
