package stack

import (
	"net/netip"
	"syscall"

	"minitcp/conn"
	"minitcp/conn/wire"
	"minitcp/stack/internal/flow"
)

// inputICMP handles an ICMP message of the packet's own address family, from one host to an address of the stack.
func (q *queue) inputICMP(now conn.Time, payload []byte) {
	s := q.stack
	if err := wire.ParseICMP(&q.ip, payload, &q.icmp); err != nil {
		q.damaged(err)
		return
	}
	s.totals.count(countICMPReceived)
	if q.ip.Is4() {
		q.inputICMPv4(now, payload)
	} else {
		q.inputICMPv6(now, payload)
	}
}

// inputICMPv4 handles a message of IPv4. Errors that may pass are soft, the others hard [RFC 1122 4.2.3.9, RFC 9293
// 3.9.2.2].
func (q *queue) inputICMPv4(now conn.Time, payload []byte) {
	m := &q.icmp
	soft := func(err conn.Error) { q.icmpError(now, conn.ICMPError{Kind: conn.ICMPSoft, Err: err}) }
	switch m.Type {
	case wire.ICMPv4Echo:
		q.echo(now, wire.ICMPv4EchoReply)
	case wire.ICMPv4EchoReply:
		q.echoReply(payload)
	case wire.ICMPv4Unreachable:
		switch m.Code {
		case wire.ICMPv4ProtocolUnreachable:
			q.icmpError(now, conn.ICMPError{Kind: conn.ICMPHard, Err: conn.ErrProtocolUnreachable})
		case wire.ICMPv4PortUnreachable:
			q.icmpError(now, conn.ICMPError{Kind: conn.ICMPHard, Err: conn.ErrRefused})
		case wire.ICMPv4FragmentationNeeded:
			q.icmpError(now, conn.ICMPError{Kind: conn.ICMPTooBig, MTU: int(m.MTU)})
		case wire.ICMPv4NetUnreachable:
			soft(conn.ErrNetUnreachable)
		default:
			soft(conn.ErrHostUnreachable)
		}
	case wire.ICMPv4TimeExceeded, wire.ICMPv4ParameterProblem:
		soft(conn.ErrHostUnreachable)
	default: // Source Quench among them (MUST-55)
		q.stack.totals.count(countICMPIgnored)
	}
}

// inputICMPv6 handles a message of IPv6 [RFC 4443, RFC 5461 4].
func (q *queue) inputICMPv6(now conn.Time, payload []byte) {
	m := &q.icmp
	soft := func(err conn.Error) { q.icmpError(now, conn.ICMPError{Kind: conn.ICMPSoft, Err: err}) }
	switch m.Type {
	case wire.ICMPv6Echo:
		q.echo(now, wire.ICMPv6EchoReply)
	case wire.ICMPv6EchoReply:
		q.echoReply(payload)
	case wire.ICMPv6TooBig:
		q.icmpError(now, conn.ICMPError{Kind: conn.ICMPTooBig, MTU: int(m.MTU)})
	case wire.ICMPv6Unreachable:
		switch m.Code {
		case wire.ICMPv6PortUnreachable:
			q.icmpError(now, conn.ICMPError{Kind: conn.ICMPHard, Err: conn.ErrRefused})
		case wire.ICMPv6NoRoute:
			soft(conn.ErrNetUnreachable)
		default:
			soft(conn.ErrHostUnreachable)
		}
	case wire.ICMPv6ParameterProblem:
		if m.Code == wire.ICMPv6UnknownNextHeader {
			q.icmpError(now, conn.ICMPError{Kind: conn.ICMPHard, Err: conn.ErrProtocolUnreachable})
			return
		}
		soft(conn.ErrHostUnreachable)
	case wire.ICMPv6TimeExceeded:
		soft(conn.ErrHostUnreachable)
	default:
		q.stack.totals.count(countICMPIgnored)
	}
}

// icmpError passes an error message to the connection or socket whose packet it quotes.
func (q *queue) icmpError(now conn.Time, e conn.ICMPError) {
	s := q.stack
	var quoted wire.IP
	localPort, remotePort, seq, err := wire.ParseQuoted(q.icmp.Body, &quoted)
	switch {
	case err != nil:
		s.totals.count(dropICMP)
		return
	case quoted.Protocol == wire.ProtocolUDP:
		s.icmpErrorUDP(netip.AddrPortFrom(quoted.Src, localPort), netip.AddrPortFrom(quoted.Dst, remotePort), e)
		return
	case quoted.Protocol == wire.ProtocolICMP, quoted.Protocol == wire.ProtocolICMPv6:
		s.icmpErrorPing(quoted.Src, quoted.Dst, localPort, e)
		return
	case quoted.Protocol != wire.ProtocolTCP:
		s.totals.count(dropICMP)
		return
	}
	k := flow.KeyOf(quoted.Src, quoted.Dst, localPort, remotePort)
	found := s.table.Find(&k)
	if found == nil {
		s.totals.count(dropICMP)
		return
	}
	found.mu.Lock()
	c := found.user.Get()
	if tcp, ok := found.tcp.(*conn.Conn); ok {
		e.Seq = seq
		tcp.ReceiveICMP(now, e)
		s.flush(found, q.writer)
	} else {
		s.totals.count(dropICMP) // a handshake, or the connection has ended
	}
	found.mu.Unlock()
	c.serve()
}

// echo answers an echo request with the same identifier, number and data (RFC 1122 3.2.2.6, RFC 4443 4.2).
func (q *queue) echo(now conn.Time, reply uint8) {
	if !q.stack.own().Contains(q.ip.Dst) {
		q.forwardEcho()
		return
	}
	m := &q.icmp
	m.Type, m.Code = reply, 0
	q.sendICMP(now, m)
}

// inputUnknown answers a packet of an unsupported protocol, or of UDP to a closed port, with an ICMP error. Fragments
// and ICMP do not get here, and both addresses are those of single hosts, so an error may be sent [RFC 1122 3.2.2,
// 3.2.2.1, RFC 4443 3.1, 3.4].
func (q *queue) inputUnknown(now conn.Time, packet []byte) {
	m := wire.ICMP{Body: quote(packet, q.ip.Is4())}
	udp := q.ip.Protocol == wire.ProtocolUDP // to a closed port
	switch is4 := q.ip.Is4(); {
	case is4 && udp:
		m.Type, m.Code = wire.ICMPv4Unreachable, wire.ICMPv4PortUnreachable
	case is4:
		m.Type, m.Code = wire.ICMPv4Unreachable, wire.ICMPv4ProtocolUnreachable
	case udp:
		m.Type, m.Code = wire.ICMPv6Unreachable, wire.ICMPv6PortUnreachable
	case q.ip.Protocol == wire.ProtocolNone:
		return
	default:
		m.Type, m.Code = wire.ICMPv6ParameterProblem, wire.ICMPv6UnknownNextHeader
		m.Pointer = uint32(nextHeaderOffset(packet, q.ip.HeaderLen))
	}
	q.sendICMP(now, &m)
}

// isICMPError reports whether a packet with the IP header and payload given is an ICMP error. No ICMP error is sent
// about an ICMP error [RFC 1122 3.2.2, RFC 4443 2.4].
func isICMPError(ip *wire.IP, payload []byte) bool {
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

// quote returns the part of a packet that an ICMP error quotes. The error then fits into the smallest MTU of its IP
// version.
func quote(packet []byte, is4 bool) []byte {
	most := 576 - wire.IPv4HeaderLen - icmpHeaderLen
	if !is4 {
		most = 1280 - wire.IPv6HeaderLen - icmpHeaderLen
	}
	return packet[:min(len(packet), most)]
}

const icmpHeaderLen = 8

// sendICMP sends m to the source of the packet at hand.
func (q *queue) sendICMP(now conn.Time, m *wire.ICMP) {
	q.stack.sendICMP(now, q.writer, q.number, q.ip.Dst, q.ip.Src, m)
}

// sendICMP sends m between two addresses, unless the destination has reached its limit.
func (s *Stack) sendICMP(now conn.Time, w *writer, queue uint8, from, to netip.Addr, m *wire.ICMP) {
	if !s.icmpLimit.Allow(now, to) {
		s.totals.count(countICMPLimited)
		return
	}
	w.ip = wire.IP{Src: from, Dst: to, Protocol: wire.ProtocolICMPv6, HopLimit: s.cfg.HopLimit}
	if w.ip.Is4() {
		w.ip.Protocol = wire.ProtocolICMP
	}
	s.writeICMP(w, queue, m, int(s.mtu.Load()), true)
}

// writeICMP sends the message between the addresses in w.ip. A message that does not fit the MTU is fragmented if
// fragment is true. Otherwise, and above the largest IP packet, the error is syscall.EMSGSIZE.
func (s *Stack) writeICMP(w *writer, queue uint8, m *wire.ICMP, mtu int, fragment bool) error {
	n := icmpHeaderLen + len(m.Body)
	if cap(w.body) < n {
		w.body = make([]byte, n)
	}
	n = wire.PutICMP(w.body[:n], &w.ip, m)
	ipLen := ipHeaderLen(w.ip.Is4())
	whole := ipLen+n <= mtu
	if !whole && (!fragment || n > maxPacket-wire.IPv4HeaderLen) {
		return syscall.EMSGSIZE
	}
	s.totals.count(countICMPSent)
	if whole {
		wire.PutIP(w.headers[wire.VirtioHeaderLen:], &w.ip, n)
		s.writePacket(w, queue, ipLen, w.body[:n])
		return nil
	}
	s.writeFragments(w, queue, ipLen, w.body[:n], mtu)
	return nil
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
