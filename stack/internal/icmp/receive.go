// Package icmp has the rules of a host for ICMP messages: the meaning of those that arrive, and the contents of the
// errors that it sends.
package icmp

import (
	"minitcp/conn"
	"minitcp/conn/wire"
)

// Kind is the reaction to a message.
type Kind uint8

const (
	Ignored   Kind = iota
	Echo           // an echo request
	EchoReply      // the reply to one
	Error          // an error about a packet, which it quotes
)

// Classify returns the kind of a message of the family and, if it is an error, the effect on the connection that it
// quotes. Errors that may pass are soft, the others hard [RFC 1122 4.2.3.9, RFC 4443, RFC 5461 4, RFC 9293 3.9.2.2].
func Classify(is4 bool, m *wire.ICMP) (Kind, conn.ICMPError) {
	if is4 {
		return classify4(m)
	}
	return classify6(m)
}

func soft(err conn.Error) (Kind, conn.ICMPError) {
	return Error, conn.ICMPError{Kind: conn.ICMPSoft, Err: err}
}

func hard(err conn.Error) (Kind, conn.ICMPError) {
	return Error, conn.ICMPError{Kind: conn.ICMPHard, Err: err}
}

func tooBig(mtu uint32) (Kind, conn.ICMPError) {
	return Error, conn.ICMPError{Kind: conn.ICMPTooBig, MTU: int(mtu)}
}

func classify4(m *wire.ICMP) (Kind, conn.ICMPError) {
	switch m.Type {
	case wire.ICMPv4Echo:
		return Echo, conn.ICMPError{}
	case wire.ICMPv4EchoReply:
		return EchoReply, conn.ICMPError{}
	case wire.ICMPv4Unreachable:
		switch m.Code {
		case wire.ICMPv4ProtocolUnreachable:
			return hard(conn.ErrProtocolUnreachable)
		case wire.ICMPv4PortUnreachable:
			return hard(conn.ErrRefused)
		case wire.ICMPv4FragmentationNeeded:
			return tooBig(m.MTU)
		case wire.ICMPv4NetUnreachable:
			return soft(conn.ErrNetUnreachable)
		}
		return soft(conn.ErrHostUnreachable)
	case wire.ICMPv4TimeExceeded, wire.ICMPv4ParameterProblem:
		return soft(conn.ErrHostUnreachable)
	}
	return Ignored, conn.ICMPError{} // Source Quench among them (MUST-55)
}

func classify6(m *wire.ICMP) (Kind, conn.ICMPError) {
	switch m.Type {
	case wire.ICMPv6Echo:
		return Echo, conn.ICMPError{}
	case wire.ICMPv6EchoReply:
		return EchoReply, conn.ICMPError{}
	case wire.ICMPv6TooBig:
		return tooBig(m.MTU)
	case wire.ICMPv6Unreachable:
		switch m.Code {
		case wire.ICMPv6PortUnreachable:
			return hard(conn.ErrRefused)
		case wire.ICMPv6NoRoute:
			return soft(conn.ErrNetUnreachable)
		}
		return soft(conn.ErrHostUnreachable)
	case wire.ICMPv6ParameterProblem:
		if m.Code == wire.ICMPv6UnknownNextHeader {
			return hard(conn.ErrProtocolUnreachable)
		}
		return soft(conn.ErrHostUnreachable)
	case wire.ICMPv6TimeExceeded:
		return soft(conn.ErrHostUnreachable)
	}
	return Ignored, conn.ICMPError{}
}

// IsError reports whether a packet with the IP header and payload given is an ICMP error. No ICMP error is sent about
// an ICMP error [RFC 1122 3.2.2, RFC 4443 2.4].
func IsError(ip *wire.IP, payload []byte) bool {
	switch {
	case len(payload) == 0:
		return false
	case ip.Protocol == wire.ProtocolICMPv6:
		return payload[0] < wire.ICMPv6Echo // informational messages have types from 128 on [RFC 4443 2.1]
	case ip.Protocol == wire.ProtocolICMP:
		switch payload[0] {
		case wire.ICMPv4Unreachable, wire.ICMPv4SourceQuench, wire.ICMPv4Redirect, wire.ICMPv4TimeExceeded, wire.ICMPv4ParameterProblem:
			return true
		}
	}
	return false
}
