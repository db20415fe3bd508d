package script

import "minitcp/conn"

// icmpArrival is an ICMP error about a sent segment.
type icmpArrival struct {
	ipv6    bool
	ignored bool // whether TCP ignores the message
	err     conn.ICMPError
	quoted  uint32 // sequence number of the script
}

// icmp parses an ICMP message: "icmp unreachable frag_needed mtu 1400 [1:1001(1000)]".
func (p *parser) icmp() (action, *Error) {
	first := p.take()
	kind := p.take().text
	code := ""
	if t := p.peek(); t.kind == tokenWord && t.text != "mtu" {
		code = p.take().text
	}
	m := &icmpArrival{ipv6: first.text == "icmpv6"}
	if p.took("mtu") {
		mtu, err := p.number(1<<31-1, "an MTU")
		if err != nil {
			return nil, err
		}
		m.err.MTU = int(mtu)
	}
	if p.took("[") { // otherwise a SYN is quoted
		var err *Error
		if m.quoted, _, err = p.sequence(); err != nil {
			return nil, err
		}
		if err := p.expect("]"); err != nil {
			return nil, err
		}
	}
	if !m.classify(kind, code) {
		return nil, errorf(first.line, "the ICMP message %s %s", shorten(kind), shorten(code))
	}
	return m, nil
}

// classify sets the meaning of the message for a connection, as package stack does, and reports whether the message is
// known (RFC 9293 3.9.2.2; RFC 5461 4).
func (m *icmpArrival) classify(kind, code string) bool {
	is := func(k conn.ICMPKind, err conn.Error) bool {
		m.err.Kind, m.err.Err = k, err
		return true
	}
	switch kind {
	case "unreachable":
		return m.classifyUnreachable(code)
	case "packet_too_big":
		m.ipv6 = true
		return is(conn.ICMPTooBig, 0)
	case "time_exceeded":
		return is(conn.ICMPSoft, conn.ErrHostUnreachable)
	case "parameter_problem":
		if code == "unknown_next_header" {
			m.ipv6 = true
			return is(conn.ICMPHard, conn.ErrProtocolUnreachable)
		}
		return is(conn.ICMPSoft, conn.ErrHostUnreachable)
	case "source_quench":
		m.ignored = true // MUST-55
		return true
	}
	return false
}

func (m *icmpArrival) classifyUnreachable(code string) bool {
	m.err.Kind = conn.ICMPSoft
	switch code {
	case "protocol_unreachable":
		m.err.Kind, m.err.Err = conn.ICMPHard, conn.ErrProtocolUnreachable
	case "port_unreachable":
		m.err.Kind, m.err.Err = conn.ICMPHard, conn.ErrRefused
	case "frag_needed":
		m.err.Kind = conn.ICMPTooBig
	case "net_unreachable", "no_route", "": // code 0
		m.err.Err = conn.ErrNetUnreachable
	case "host_unreachable", "source_route_failed", "net_unknown", "host_unknown", "source_host_isolated",
		"net_prohibited", "host_prohibited", "packet_filtered", "admin_prohibited", "address_unreachable", "beyond_scope":
		m.err.Err = conn.ErrHostUnreachable
	default:
		return false
	}
	return true
}
