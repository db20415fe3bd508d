package stack

import (
	"fmt"
	"net/netip"
	"os"
	"syscall"

	"minitcp/conn"
	"minitcp/conn/wire"
	"minitcp/stack/internal/counters"
	"minitcp/stack/internal/frame"
)

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
	if len(list) > 1 && frame.IPHeaderLen(o.local.Addr().Is4())+wire.UDPHeaderLen+list[0].N <= o.mtu {
		c.stack.writeUDPFrame(w, &o, list)
		return nil
	}
	for i := range list {
		if err := c.stack.writeUDP(w, &o, list[i:i+1]); err != nil {
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

// outgoingDatagram holds the properties of a datagram to send.
type outgoingDatagram struct {
	local, remote netip.AddrPort
	mtu           int
	fragment      bool
	hopLimit      uint8
	trafficClass  uint8
}

// outgoing returns the properties of d when it is sent to a destination, or the error of the call.
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
	case c.in.Closed != nil:
		return o, c.in.Closed
	case c.wr.Passed():
		return o, os.ErrDeadlineExceeded
	}
	if err := c.in.Pending(); err != nil {
		return o, err
	}
	o = outgoingDatagram{local: from, remote: to, mtu: c.mtu(), fragment: !c.dontFragment, hopLimit: c.hopLimit}
	o.trafficClass = c.trafficClass | uint8(d.ECN)
	return o, nil
}

// writeUDP sends a datagram, in fragments if it must.
func (s *Stack) writeUDP(w *writer, o *outgoingDatagram, one []Datagram) error {
	is4, data := o.local.Addr().Is4(), one[0].Buffer[:one[0].N]
	whole := frame.IPHeaderLen(is4)+wire.UDPHeaderLen+len(data) <= o.mtu
	switch {
	case len(data) > frame.MaxUDP(is4) || !whole && !o.fragment:
		return syscall.EMSGSIZE
	case whole:
		s.writeUDPFrame(w, o, one)
		return nil
	}
	s.totals.Count(counters.DatagramsSent)
	w.ip = o.ip(wire.ProtocolUDP)
	w.UDP(&w.ip, o.local.Port(), o.remote.Port(), len(data))
	w.Parts = append(w.Parts, data)
	w.Finish(&w.ip, len(data), 0, frame.Complete)
	header := w.Parts[0][wire.VirtioHeaderLen+frame.IPHeaderLen(is4):]
	s.writeFragments(w, s.queueOf(o), append(append(w.body[:0], header...), data...), o.mtu)
	return nil
}

// ip returns the IP header of the datagram.
func (o *outgoingDatagram) ip(protocol wire.Protocol) wire.IP {
	return wire.IP{Src: o.local.Addr(), Dst: o.remote.Addr(), Protocol: protocol, HopLimit: o.hopLimit, TrafficClass: o.trafficClass}
}

// writeUDPFrame sends datagrams in one frame. The device cuts a frame of several. Their sizes are that of the first,
// the last's at most.
func (s *Stack) writeUDPFrame(w *writer, o *outgoingDatagram, list []Datagram) {
	n := 0
	for i := range list {
		n += list[i].N
	}
	w.ip = o.ip(wire.ProtocolUDP)
	w.UDP(&w.ip, o.local.Port(), o.remote.Port(), n)
	for i := range list {
		w.Parts = append(w.Parts, list[i].Buffer[:list[i].N])
	}
	w.Finish(&w.ip, n, list[0].N, frame.Checksum(s.offload))
	s.totals.Add(counters.DatagramsSent, len(list))
	s.writeFrame(w, s.queueOf(o), conn.Closed)
}

// queueOf returns the queue for a flow: datagrams of one flow leave in order.
func (s *Stack) queueOf(o *outgoingDatagram) uint8 {
	if s.own().Contains(o.remote.Addr()) {
		return s.loop.number
	}
	return uint8((uint32(o.local.Port()) ^ uint32(o.remote.Port())) % uint32(s.loop.number))
}
