package stack

import (
	"net/netip"
	"runtime"

	"minitcp/conn"
	"minitcp/conn/wire"
	"minitcp/stack/internal/counters"
	"minitcp/stack/internal/datagrams"
)

// inputUDP takes a UDP packet for one of the stack's addresses. The device may have joined datagrams of one flow (UDP
// segmentation offload); they are cut here.
func (q *queue) inputUDP(now conn.Time, packet, payload []byte) {
	var h wire.UDP
	data, err := wire.ParseUDP(payload, &h)
	if err != nil {
		q.damaged(err)
		return
	}
	if !q.checksumTrusted() && !wire.VerifyUDP(q.ip.Src, q.ip.Dst, payload[:h.Length]) {
		q.damaged(wire.ErrUDPChecksum)
		return
	}
	size := len(data)
	if q.virtio.GSOType&^wire.GSOECN == wire.GSOUDPL4 && q.virtio.GSOSize > 0 {
		size = int(q.virtio.GSOSize)
	}
	to := netip.AddrPortFrom(q.ip.Dst, h.DstPort)
	for {
		d := datagrams.Datagram{Remote: netip.AddrPortFrom(q.ip.Src, h.SrcPort), Local: q.ip.Dst, ECN: q.ip.ECN(), HopLimit: q.ip.HopLimit}
		c, flow := q.findUDP(now, packet, to, &d)
		if c == nil {
			return
		}
		switch c.deliverAll(d, data, size) {
		case deliveredToNone:
			continue // it was closed, and taken out of where findUDP looks, between the look-up and the lock
		case deliveredHalfFull:
			runtime.Gosched()
		}
		if flow != nil {
			flow.forwarder.handle(flow)
		}
		return
	}
}

// findUDP returns the socket for the packet at hand, which holds d and is for to, and the flow that begins with it, if
// one does. It returns nil after it has answered or counted a packet for which there is no socket.
func (q *queue) findUDP(now conn.Time, packet []byte, to netip.AddrPort, d *datagrams.Datagram) (*udpSocket, *UDPFlow) {
	s := q.stack
	f := s.udpForwarder.Load()
	forwarded := f.takes(to.Addr())
	switch own := s.own().Contains(to.Addr()); {
	case own: // a socket of all addresses is one of the stack's addresses
		if c := s.udp.Find(to, d.Remote); c != nil {
			return &c.udpSocket, nil
		}
	case !forwarded: // other protocols are
		s.totals.Count(counters.DropNotOurs)
		return nil, nil
	}
	if forwarded {
		flow, isNew := f.flow(now, d.Remote, to)
		if flow == nil { // the forwarder has ended, and no longer belongs to the stack
			return q.findUDP(now, packet, to, d)
		}
		d.Local, d.Remote = d.Remote.Addr(), to // as the client's socket sees it
		if !isNew {
			return &flow.udpSocket, nil
		}
		s.totals.Count(counters.Flows)
		return &flow.udpSocket, flow
	}
	s.totals.Count(counters.DropUDPNoPort)
	q.undeliverable(now, packet)
	return nil, nil
}

// delivery is the outcome of deliverAll.
type delivery uint8

const (
	deliveredToNone   delivery = iota // the socket is closed
	delivered                         // or dropped for lack of room
	deliveredHalfFull                 // likewise, and the queue has become half full
)

// deliverAll cuts data into datagrams of size bytes, the last of which may be shorter, and delivers them. When they
// have filled half of the queue, the caller lets other goroutines run. The scheduler has put the reader, which is awake
// now, behind the caller. While packets arrive, the reader would not run before the queue is full.
func (c *udpSocket) deliverAll(d datagrams.Datagram, data []byte, size int) delivery {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.in.Closed != nil {
		return deliveredToNone
	}
	added, dropped, half := c.in.PushAll(d, data, size)
	c.stack.totals.Add(counters.DatagramsReceived, added)
	if dropped > 0 {
		c.stack.totals.Add(counters.DropUDPBufferFull, dropped)
	}
	if half {
		return deliveredHalfFull
	}
	return delivered
}

// icmpErrorUDP gives an ICMP error about a datagram from local to remote to the socket that is connected so.
func (s *Stack) icmpErrorUDP(local, remote netip.AddrPort, e conn.ICMPError) {
	c := s.udp.FindConnected(local, remote)
	if c == nil {
		s.totals.Count(counters.DropICMP)
		return
	}
	c.fail(e)
}
