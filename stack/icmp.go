package stack

import (
	"net/netip"
	"syscall"

	"minitcp/conn"
	"minitcp/conn/wire"
	"minitcp/stack/internal/counters"
	"minitcp/stack/internal/flow"
	"minitcp/stack/internal/frame"
	"minitcp/stack/internal/icmp"
)

// inputICMP handles an ICMP message of the packet's own address family, from one host to an address of the stack.
func (q *queue) inputICMP(now conn.Time, payload []byte) {
	s := q.stack
	if err := wire.ParseICMP(&q.ip, payload, &q.icmp); err != nil {
		q.damaged(err)
		return
	}
	s.totals.Count(counters.ICMPReceived)
	switch kind, e := icmp.Classify(q.ip.Is4(), &q.icmp); kind {
	case icmp.Echo:
		q.echo(now)
	case icmp.EchoReply:
		q.echoReply(payload)
	case icmp.Error:
		q.icmpError(now, e)
	default:
		s.totals.Count(counters.ICMPIgnored)
	}
}

// icmpError passes an error message to the connection or socket whose packet it quotes.
func (q *queue) icmpError(now conn.Time, e conn.ICMPError) {
	s := q.stack
	var quoted wire.IP
	localPort, remotePort, seq, err := wire.ParseQuoted(q.icmp.Body, &quoted)
	switch {
	case err != nil:
		s.totals.Count(counters.DropICMP)
		return
	case quoted.Protocol == wire.ProtocolUDP:
		s.icmpErrorUDP(netip.AddrPortFrom(quoted.Src, localPort), netip.AddrPortFrom(quoted.Dst, remotePort), e)
		return
	case quoted.Protocol == wire.ProtocolICMP, quoted.Protocol == wire.ProtocolICMPv6:
		s.icmpErrorPing(quoted.Src, quoted.Dst, localPort, e)
		return
	case quoted.Protocol != wire.ProtocolTCP:
		s.totals.Count(counters.DropICMP)
		return
	}
	k := flow.KeyOf(quoted.Src, quoted.Dst, localPort, remotePort)
	found := s.table.Find(&k)
	if found == nil {
		s.totals.Count(counters.DropICMP)
		return
	}
	found.mu.Lock()
	c := found.served
	if tcp, ok := found.tcp.(*conn.Conn); ok {
		e.Seq = seq
		tcp.ReceiveICMP(now, e)
		s.flush(found, q.writer)
	} else {
		s.totals.Count(counters.DropICMP) // a handshake, or the connection has ended
	}
	found.mu.Unlock()
	c.serve()
}

// echo answers an echo request to the stack.
func (q *queue) echo(now conn.Time) {
	if !q.stack.own().Contains(q.ip.Dst) {
		q.forwardEcho()
		return
	}
	m := icmp.Reply(q.ip.Is4(), q.icmp)
	q.sendICMP(now, &m)
}

// undeliverable answers a packet of an unsupported protocol, or of UDP to a closed port, with an ICMP error.
func (q *queue) undeliverable(now conn.Time, packet []byte) {
	if m, ok := icmp.Undeliverable(&q.ip, packet); ok {
		q.sendICMP(now, &m)
	}
}

// sendICMP sends m to the source of the packet at hand.
func (q *queue) sendICMP(now conn.Time, m *wire.ICMP) {
	q.stack.sendICMP(now, q.writer, q.number, q.ip.Dst, q.ip.Src, m)
}

// sendICMP sends m between two addresses, unless the destination has reached its limit.
func (s *Stack) sendICMP(now conn.Time, w *writer, queue uint8, from, to netip.Addr, m *wire.ICMP) {
	if !s.icmpLimit.Allow(now, to) {
		s.totals.Count(counters.ICMPLimited)
		return
	}
	w.ip = wire.IP{Src: from, Dst: to, Protocol: icmp.Protocol(from.Is4()), HopLimit: s.cfg.HopLimit}
	s.writeICMP(w, queue, m, int(s.mtu.Load()), true)
}

// writeICMP sends the message between the addresses in w.ip. A message that does not fit the MTU is fragmented if
// fragment is true. Otherwise, and above the largest IP packet, the error is syscall.EMSGSIZE.
func (s *Stack) writeICMP(w *writer, queue uint8, m *wire.ICMP, mtu int, fragment bool) error {
	n := icmp.HeaderLen + len(m.Body)
	if cap(w.body) < n {
		w.body = make([]byte, n)
	}
	n = wire.PutICMP(w.body[:n], &w.ip, m)
	whole := frame.IPHeaderLen(w.ip.Is4())+n <= mtu
	if !whole && (!fragment || n > frame.MaxPacket-wire.IPv4HeaderLen) {
		return syscall.EMSGSIZE
	}
	s.totals.Count(counters.ICMPSent)
	if whole {
		s.writePacket(w, queue, w.body[:n])
		return nil
	}
	s.writeFragments(w, queue, w.body[:n], mtu)
	return nil
}
