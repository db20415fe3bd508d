package stack

import (
	"net/netip"

	"minitcp/conn"
	"minitcp/conn/wire"
	"minitcp/stack/internal/addresses"
	"minitcp/stack/internal/counters"
	"minitcp/stack/internal/icmp"
)

// input handles one frame that arrived: it parses the packet, checks that it is for the stack, and passes it on by
// protocol. Every packet that is dropped is counted under a name.
func (q *queue) input(now conn.Time, frame []byte) {
	s := q.stack
	s.totals.Count(counters.FramesReceived)
	if err := wire.ParseVirtio(frame, &q.virtio); err != nil {
		q.damaged(err)
		return
	}
	if q.virtio.GSOType != wire.GSONone {
		s.totals.Count(counters.SuperframesIn)
	}
	packet := frame[wire.VirtioHeaderLen:]
	payload, err := wire.ParseIP(packet, &q.ip)
	if err == wire.ErrFragment {
		q.tap(now, nil)
		if !q.acceptableAddresses(s.forwards(q.ip.Dst)) {
			return
		}
		if packet = s.reassemble(now, packet); packet == nil {
			return
		}
		q.virtio = wire.VirtioHeader{}
		q.segment.Buffer = nil // the frame holds a part of the packet
		payload, err = wire.ParseIP(packet, &q.ip)
	}
	if err != nil {
		q.damaged(err)
		return
	}
	if q.ip.HopLimit <= 1 && q.hopLimitExceeded(now, packet) {
		return
	}
	if q.ip.Protocol == wire.ProtocolTCP {
		q.inputTCP(now, payload)
		return
	}
	q.tap(now, nil)
	if !q.acceptableAddresses(s.forwards(q.ip.Dst)) {
		return
	}
	switch {
	case q.ip.Protocol == wire.ProtocolICMP && q.ip.Is4(), q.ip.Protocol == wire.ProtocolICMPv6 && !q.ip.Is4():
		q.inputICMP(now, payload)
	case q.ip.Protocol == wire.ProtocolUDP:
		q.inputUDP(now, packet, payload)
	case !s.own().Contains(q.ip.Dst):
		s.totals.Count(counters.DropNotOurs)
	default:
		s.totals.Count(counters.DropProtocol)
		q.undeliverable(now, packet)
	}
}

// forwards reports whether packets to dst may be forwarded.
func (s *Stack) forwards(dst netip.Addr) bool {
	return s.forwarder.Load().takes(dst) || s.udpForwarder.Load().takes(dst) || s.pingForwarder.Load().takes(dst)
}

// hopLimitExceeded answers a packet to a forwarded address whose TTL or hop limit ends here, as a router does, and
// reports whether the packet was one [RFC 1812 5.3.1, RFC 4443 3.3].
func (q *queue) hopLimitExceeded(now conn.Time, packet []byte) bool {
	s := q.stack
	if s.own().Contains(q.ip.Dst) || !s.forwards(q.ip.Dst) {
		return false
	}
	q.tap(now, nil)
	if !q.acceptableAddresses(true) {
		return true
	}
	s.totals.Count(counters.DropHopLimit)
	if icmp.IsError(&q.ip, packet[q.ip.HeaderLen:]) {
		return true
	}
	from, ok := s.own().SourceFor(q.ip.Src)
	if !ok {
		return true
	}
	m := icmp.TimeExceeded(q.ip.Is4(), icmp.HopLimit, packet)
	s.sendICMP(now, q.writer, q.number, from, q.ip.Src, &m)
	return true
}

// damaged counts a packet that cannot be parsed.
func (q *queue) damaged(err error) {
	if e, ok := err.(wire.Error); ok {
		q.stack.totals.Damaged(e)
	}
}

// checksumTrusted reports whether the segment's checksum need not be verified. A packet whose checksum has not been
// filled in has never been on a wire; a device without offloads may pass on such packets from a device that it embeds.
// An [Offloader] vouches for a checksum that it has verified.
func (q *queue) checksumTrusted() bool {
	trusted := uint8(wire.VirtioNeedsChecksum)
	if q.stack.offload {
		trusted |= wire.VirtioDataValid
	}
	return q.virtio.Flags&trusted != 0
}

// acceptableAddresses reports whether the packet is from a single host, and to this one or, if forwarded is true, to
// another one. It counts the packets that are not [RFC 1122 3.2.1.3, RFC 9293 3.9.2.3, MUST-57, MUST-63].
func (q *queue) acceptableAddresses(forwarded bool) bool {
	src, dst, own := q.ip.Src, q.ip.Dst, q.stack.own()
	from, to := own.Class(src), own.Class(dst)
	switch {
	case to.Has(addresses.Group):
		q.stack.totals.Count(counters.DropGroupDestination)
	case !forwarded && !to.Has(addresses.Own), dst.IsLoopback(), dst.Is4In6():
		q.stack.totals.Count(counters.DropNotOurs)
	case from.Has(addresses.Group), src.IsLoopback(), src.Is4In6(), from.Has(addresses.Own) && q.number != q.stack.loop.number:
		q.stack.totals.Count(counters.DropBadSource)
	default:
		return true
	}
	return false
}
