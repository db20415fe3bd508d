package icmp

import (
	"strconv"

	"minitcp/conn/wire"
)

// HeaderLen is the length of a message without its body, in bytes.
const HeaderLen = 8

// Protocol returns the protocol of the family's messages.
func Protocol(is4 bool) wire.Protocol {
	if is4 {
		return wire.ProtocolICMP
	}
	return wire.ProtocolICMPv6
}

// EchoType returns the type of the family's echo requests.
func EchoType(is4 bool) uint8 {
	if is4 {
		return wire.ICMPv4Echo
	}
	return wire.ICMPv6Echo
}

// Reply returns the reply to an echo request, with the same identifier, number and data [RFC 1122 3.2.2.6, RFC 4443
// 4.2].
func Reply(is4 bool, request wire.ICMP) wire.ICMP {
	request.Type, request.Code = wire.ICMPv6EchoReply, 0
	if is4 {
		request.Type = wire.ICMPv4EchoReply
	}
	return request
}

// Undeliverable returns the error about a packet of an unsupported protocol, or of UDP to a closed port. It returns
// false if there is none. Fragments and ICMP do not get here, and both addresses are those of single hosts, so an error
// may be sent [RFC 1122 3.2.2, 3.2.2.1, RFC 4443 3.1, 3.4].
func Undeliverable(ip *wire.IP, packet []byte) (m wire.ICMP, ok bool) {
	m.Body = quote(packet, ip.Is4())
	udp := ip.Protocol == wire.ProtocolUDP // to a closed port
	switch is4 := ip.Is4(); {
	case is4 && udp:
		m.Type, m.Code = wire.ICMPv4Unreachable, wire.ICMPv4PortUnreachable
	case is4:
		m.Type, m.Code = wire.ICMPv4Unreachable, wire.ICMPv4ProtocolUnreachable
	case udp:
		m.Type, m.Code = wire.ICMPv6Unreachable, wire.ICMPv6PortUnreachable
	case ip.Protocol == wire.ProtocolNone:
		return wire.ICMP{}, false
	default:
		m.Type, m.Code = wire.ICMPv6ParameterProblem, wire.ICMPv6UnknownNextHeader
		m.Pointer = uint32(nextHeaderOffset(packet, ip.HeaderLen))
	}
	return m, true
}

// Codes of Time Exceeded, in both families.
const (
	HopLimit   = 0 // the TTL or hop limit has ended
	Reassembly = 1 // a packet was not complete in time
)

// TimeExceeded returns the error about a packet whose time has ended.
func TimeExceeded(is4 bool, code uint8, packet []byte) wire.ICMP {
	m := wire.ICMP{Type: wire.ICMPv6TimeExceeded, Code: code, Body: quote(packet, is4)}
	if is4 {
		m.Type = wire.ICMPv4TimeExceeded
	}
	return m
}

// quote returns the part of a packet that an ICMP error quotes. The error then fits into the smallest MTU of its IP
// version.
func quote(packet []byte, is4 bool) []byte {
	most := 576 - wire.IPv4HeaderLen - HeaderLen
	if !is4 {
		most = 1280 - wire.IPv6HeaderLen - HeaderLen
	}
	return packet[:min(len(packet), most)]
}

// nextHeaderOffset returns the offset in an IPv6 packet of the Next Header field that names the protocol after the
// headers.
func nextHeaderOffset(packet []byte, headerLen int) int {
	const (
		fragment       = 44
		authentication = 51
	)
	at, field := wire.IPv6HeaderLen, 6
	for at < headerLen && at+1 < len(packet) {
		kind := packet[field]
		field = at
		switch kind {
		case fragment:
			at += 8
		case authentication:
			at += (int(packet[at+1]) + 2) * 4
		default:
			at += (int(packet[at+1]) + 1) * 8
		}
	}
	return field
}

// Unreachable is the reason for an unreachable error.
type Unreachable uint8

// The reasons, in the order of package stack's.
const (
	NetUnreachable Unreachable = iota
	HostUnreachable
	PortUnreachable
	AdminProhibited
)

// unreachable has the names of the reasons and their codes [RFC 792, RFC 1812 5.2.7.1, RFC 4443 3.1].
var unreachable = [...]struct {
	name   string
	v4, v6 uint8
}{
	NetUnreachable:  {"net unreachable", wire.ICMPv4NetUnreachable, wire.ICMPv6NoRoute},
	HostUnreachable: {"host unreachable", wire.ICMPv4HostUnreachable, wire.ICMPv6AddressUnreachable},
	PortUnreachable: {"port unreachable", wire.ICMPv4PortUnreachable, wire.ICMPv6PortUnreachable},
	AdminProhibited: {"administratively prohibited", wire.ICMPv4AdminProhibited, wire.ICMPv6AdminProhibited},
}

// Valid reports whether u is one of the reasons.
func (u Unreachable) Valid() bool { return int(u) < len(unreachable) }

// String returns the reason in words, or "unreachable(9)".
func (u Unreachable) String() string {
	if u.Valid() {
		return unreachable[u].name
	}
	return "unreachable(" + strconv.Itoa(int(u)) + ")"
}

// Message returns the error about a packet for the reason u.
func (u Unreachable) Message(is4 bool, packet []byte) wire.ICMP {
	m := wire.ICMP{Type: wire.ICMPv6Unreachable, Code: unreachable[u].v6, Body: quote(packet, is4)}
	if is4 {
		m.Type, m.Code = wire.ICMPv4Unreachable, unreachable[u].v4
	}
	return m
}
