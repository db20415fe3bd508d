package stack

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"os"
	"runtime"
	"syscall"
	"time"

	"minitcp/conn"
	"minitcp/conn/wire"
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
		d := datagrams.Datagram{Remote: netip.AddrPortFrom(q.ip.Src, h.SrcPort), Local: q.ip.Dst, ECN: q.ip.ECN()}
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
		s.totals.count(dropNotOurs)
		return nil, nil
	}
	if forwarded {
		flow, isNew := f.flow(now, d.Remote, to)
		if flow == nil { // the forwarder has ended, and is no more the stack's
			return q.findUDP(now, packet, to, d)
		}
		d.Local, d.Remote = d.Remote.Addr(), to // as the client's socket sees it
		if !isNew {
			return &flow.udpSocket, nil
		}
		s.totals.count(countFlows)
		return &flow.udpSocket, flow
	}
	s.totals.count(dropUDPNoPort)
	q.inputUnknown(now, packet)
	return nil, nil
}

// delivery is the outcome of deliverAll.
type delivery uint8

const (
	deliveredToNone   delivery = iota // the socket is closed
	delivered                         // or dropped, for want of room
	deliveredHalfFull                 // likewise, and the queue has become half full
)

// deliverAll cuts data into datagrams of size bytes, the last of which may be shorter, and delivers them. When they
// have filled half of the queue, the caller lets other goroutines run: the one that wants to read was put behind it by
// wake, and while packets keep coming it would not run before the queue is full.
func (c *udpSocket) deliverAll(d datagrams.Datagram, data []byte, size int) delivery {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed != nil {
		return deliveredToNone
	}
	before := c.queue.Bytes()
	for {
		d.Data = data[:min(size, len(data))]
		data = data[len(d.Data):]
		if c.enqueue(d) {
			c.stack.totals.count(countDatagramsReceived)
		} else {
			c.stack.totals.count(dropUDPBufferFull)
		}
		if len(data) > 0 {
			continue
		}
		if before <= c.limit/2 && c.queue.Bytes() > c.limit/2 {
			return deliveredHalfFull
		}
		return delivered
	}
}

// enqueue adds a datagram to the queue of c, whose lock is held, or reports false if there is no room.
func (c *datagramSocket) enqueue(d datagrams.Datagram) bool {
	if c.queue.Bytes()+len(d.Data)+datagrams.Overhead > c.limit {
		return false
	}
	c.queue.Push(d)
	c.rd.Wake()
	return true
}

// icmpErrorUDP gives an ICMP error about a datagram from local to remote to the socket that is connected so.
func (s *Stack) icmpErrorUDP(local, remote netip.AddrPort, e conn.ICMPError) {
	c := s.udp.FindConnected(local, remote)
	if c == nil {
		s.totals.count(dropICMP)
		return
	}
	c.fail(e)
}

// fail takes an ICMP error about a datagram of the connected socket c.
func (c *datagramSocket) fail(e conn.ICMPError) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if e.Kind != conn.ICMPTooBig {
		c.pending = errno(e.Err)
		if c.pending == syscall.ENOPROTOOPT {
			c.pending = syscall.ECONNREFUSED
		}
		c.rd.Wake()
		return
	}
	c.packetTooBig(c.stack.clock.Now(), max(e.MTU, leastMTU(c.remote.Addr().Is4())))
}

// pathMTULifetime is the time after which a socket tries larger packets again, as on Linux. The RFCs recommend it, and
// forbid less than 5 minutes after the last Packet Too Big [RFC 1191 6.3, RFC 8201 4].
const pathMTULifetime = 10 * time.Minute

// packetTooBig takes a path MTU in bytes from an ICMP message. The lock is held.
func (c *datagramSocket) packetTooBig(now conn.Time, mtu int) {
	before := c.mtu(now)
	if mtu > before {
		return
	}
	c.pathMTU, c.pathMTUUntil = mtu, now.Add(pathMTULifetime)
	if mtu < before && c.dontFragment {
		c.pending = syscall.EMSGSIZE
		c.rd.Wake()
	}
}

// leastMTU returns the smallest path MTU that an ICMP message can set, in bytes: Linux's for IPv4, and for IPv6 what
// every link must take [RFC 8200 5].
func leastMTU(is4 bool) int {
	if is4 {
		return 552
	}
	return 1280
}

// mtu returns the largest packet, in bytes, that c sends whole. The lock is held.
func (c *datagramSocket) mtu(now conn.Time) int {
	mtu := int(c.stack.mtu.Load())
	if now < c.pathMTUUntil {
		mtu = min(mtu, c.pathMTU)
	}
	return mtu
}

// sendDatagrams sends datagrams that are alike to one destination: see [udpSocket.alike].
func (c *datagramSocket) sendDatagrams(list []Datagram, to netip.AddrPort) error {
	o, err := c.outgoing(&list[0], to)
	if err != nil {
		return err
	}
	if c.mustWait(&o) {
		c.stack.link.awaitDrained(c)
		if o, err = c.outgoing(&list[0], to); err != nil { // closed meanwhile, or the deadline has passed
			return err
		}
	}
	w := c.stack.borrowWriter()
	defer c.stack.returnWriter(w)
	if len(list) > 1 && ipHeaderLen(o.local.Addr().Is4())+wire.UDPHeaderLen+list[0].N <= o.mtu {
		c.stack.writeUDPSuperframe(w, &o, list)
		return nil
	}
	for i := range list {
		if err := c.stack.writeUDP(w, o, list[i].Buffer[:list[i].N]); err != nil {
			return err // the first one's: the others are not larger
		}
	}
	return nil
}

// mustWait reports whether a datagram that is sent with o waits for the device. A flow's does not, because a forwarder
// sends it on a goroutine that brings packets.
func (c *datagramSocket) mustWait(o *outgoingDatagram) bool {
	l := c.stack.link
	if l == nil || !l.device.Full() || c.stack.queueOf(o) == c.stack.loop.number {
		return false
	}
	_, ofApplication := c.owner.(*UDPConn)
	return ofApplication
}

// outgoingDatagram is what a datagram is sent with.
type outgoingDatagram struct {
	local, remote netip.AddrPort
	mtu           int
	fragment      bool
	hopLimit      uint8
	trafficClass  uint8
}

// outgoing returns what to send d to a destination with, or the error of the call.
func (c *datagramSocket) outgoing(d *Datagram, to netip.AddrPort) (o outgoingDatagram, err error) {
	if d.ECN > wire.CE {
		return o, fmt.Errorf("%d is no ECN codepoint: %w", d.ECN, syscall.EINVAL)
	}
	from, to, err := c.owner.route(d.Local, to)
	if err != nil {
		return o, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.closed != nil:
		return o, c.closed
	case c.wr.Passed():
		return o, os.ErrDeadlineExceeded
	case c.pending != nil:
		err := c.pending
		c.pending = nil
		return o, err
	}
	o = outgoingDatagram{local: from, remote: to, mtu: c.mtu(c.stack.clock.Now()), fragment: !c.dontFragment, hopLimit: c.hopLimit}
	o.trafficClass = c.trafficClass | uint8(d.ECN)
	return o, nil
}

// maxUDP returns the largest number of bytes of data in a datagram.
func maxUDP(is4 bool) int {
	if is4 {
		return maxPacket - wire.IPv4HeaderLen - wire.UDPHeaderLen
	}
	return maxPacket - wire.UDPHeaderLen
}

// writeUDP sends a datagram, in fragments if it must.
func (s *Stack) writeUDP(w *writer, o outgoingDatagram, data []byte) error {
	is4 := o.local.Addr().Is4()
	w.ip = wire.IP{
		Src: o.local.Addr(), Dst: o.remote.Addr(), Protocol: wire.ProtocolUDP, HopLimit: o.hopLimit, TrafficClass: o.trafficClass,
	}
	ipLen := ipHeaderLen(is4)
	whole := ipLen+wire.UDPHeaderLen+len(data) <= o.mtu
	if len(data) > maxUDP(is4) || !whole && !o.fragment {
		return syscall.EMSGSIZE
	}
	header, pseudo := w.udpHeader(&o, len(data))
	w.parts = append(w.parts[:0], header, data)
	s.totals.count(countDatagramsSent)
	if !whole {
		wire.PutUDPChecksum(header, wire.ChecksumGather(pseudo, w.parts))
		s.writeFragments(w, s.queueOf(&o), ipLen, append(append(w.body[:0], header...), data...), o.mtu)
		return nil
	}
	wire.PutIP(w.headers[wire.VirtioHeaderLen:], &w.ip, len(header)+len(data))
	var h wire.VirtioHeader
	if s.offload {
		binary.BigEndian.PutUint16(header[wire.UDPChecksumOffset:], wire.Fold(pseudo))
		h.Flags = wire.VirtioNeedsChecksum
		h.ChecksumStart, h.ChecksumOffset = uint16(ipLen), wire.UDPChecksumOffset
	} else {
		wire.PutUDPChecksum(header, wire.ChecksumGather(pseudo, w.parts))
	}
	wire.PutVirtio(w.headers[:], &h)
	w.parts = append(w.parts[:0], w.headers[:wire.VirtioHeaderLen+ipLen+wire.UDPHeaderLen], data)
	s.writeFrame(w, s.queueOf(&o), conn.Closed)
	return nil
}

// udpHeader puts the UDP header of n bytes of data behind the space for the IP header. It returns the UDP header and
// the sum of the pseudo-header.
func (w *writer) udpHeader(o *outgoingDatagram, n int) (header []byte, pseudo uint32) {
	at := wire.VirtioHeaderLen + ipHeaderLen(o.local.Addr().Is4())
	header = w.headers[at : at+wire.UDPHeaderLen]
	wire.PutUDP(header, o.local.Port(), o.remote.Port(), n)
	return header, wire.PseudoHeaderSum(o.local.Addr(), o.remote.Addr(), wire.ProtocolUDP, len(header)+n)
}

// writeUDPSuperframe sends datagrams in one frame that the device cuts. Their sizes are that of the first, the last's
// at most.
func (s *Stack) writeUDPSuperframe(w *writer, o *outgoingDatagram, list []Datagram) {
	w.ip = wire.IP{
		Src: o.local.Addr(), Dst: o.remote.Addr(), Protocol: wire.ProtocolUDP, HopLimit: o.hopLimit, TrafficClass: o.trafficClass,
	}
	ipLen := ipHeaderLen(w.ip.Is4())
	w.parts = append(w.parts[:0], w.headers[:wire.VirtioHeaderLen+ipLen+wire.UDPHeaderLen])
	n := 0
	for i := range list {
		w.parts = append(w.parts, list[i].Buffer[:list[i].N])
		n += list[i].N
	}
	header, pseudo := w.udpHeader(o, n)
	binary.BigEndian.PutUint16(header[wire.UDPChecksumOffset:], wire.Fold(pseudo))
	wire.PutIP(w.headers[wire.VirtioHeaderLen:], &w.ip, len(header)+n)
	wire.PutVirtio(w.headers[:], &wire.VirtioHeader{
		Flags: wire.VirtioNeedsChecksum, ChecksumStart: uint16(ipLen), ChecksumOffset: wire.UDPChecksumOffset,
		GSOType: wire.GSOUDPL4, GSOSize: uint16(list[0].N), HeaderLen: uint16(ipLen + wire.UDPHeaderLen),
	})
	s.totals.add(countDatagramsSent, len(list))
	s.writeFrame(w, s.queueOf(o), conn.Closed)
}

// queueOf returns the queue for a flow: datagrams of one flow leave in order.
func (s *Stack) queueOf(o *outgoingDatagram) uint8 {
	if s.own().Contains(o.remote.Addr()) {
		return s.loop.number
	}
	return uint8((uint32(o.local.Port()) ^ uint32(o.remote.Port())) % uint32(s.loop.number))
}

// writeFragments sends the packet with the header in w.ip and the payload given in fragments of at most mtu bytes
// [RFC 791 3.2, RFC 8200 4.5]. The identification is random [RFC 6864, RFC 7739].
func (s *Stack) writeFragments(w *writer, queue uint8, ipLen int, payload []byte, mtu int) {
	w.body = payload
	is4 := ipLen == wire.IPv4HeaderLen
	f := wire.Fragment{ID: rand.Uint32()}
	next := w.ip.Protocol
	extra := 0
	if !is4 {
		extra = 8 // the fragment header
		w.ip.Protocol = wire.ProtocolFragment
	}
	most := (mtu - ipLen - extra) &^ 7
	wire.PutVirtio(w.headers[:], &wire.VirtioHeader{})
	header := w.headers[wire.VirtioHeaderLen:]
	for ; f.Offset < len(payload); f.Offset += most {
		n := min(most, len(payload)-f.Offset)
		f.More = f.Offset+n < len(payload)
		wire.PutIP(header, &w.ip, extra+n)
		if is4 {
			wire.PutFragmentIPv4(header, f, n)
		} else {
			wire.PutFragmentIPv6(header[ipLen:], f, next)
		}
		w.parts = append(w.parts[:0], w.headers[:wire.VirtioHeaderLen+ipLen+extra], payload[f.Offset:f.Offset+n])
		s.writeFrame(w, queue, conn.Closed)
		s.totals.count(countFragmentsSent)
	}
}
