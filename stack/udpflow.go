package stack

import (
	"net"
	"net/netip"
	"syscall"

	"minitcp/conn/wire"
	"minitcp/stack/internal/counters"
	"minitcp/stack/internal/hostport"
	"minitcp/stack/internal/nat"
)

// UDPFlow stands for a client's socket. Reads return the datagrams that the client sends, with their destinations.
// Writes go to the client, with the address given as their source. It implements [net.PacketConn]; its methods may be
// called from many goroutines at once.
//
// A flow ends when the application closes it, when it has been idle, when there are too many, and with the forwarder.
// Calls then return [net.ErrClosed].
type UDPFlow struct {
	udpSocket
	forwarder *UDPForwarder

	// Guarded by the forwarder's lock, except for place.Key.
	place    nat.Flow[UDPFlow]
	contacts nat.Contacts // unused with endpoint-independent filtering
}

func newUDPFlow(f *UDPForwarder, k nat.Key) *UDPFlow {
	c := &UDPFlow{forwarder: f}
	c.place.Owner, c.place.Key = c, k
	c.addr = k.Client
	c.init(f.stack, "udp", c)
	return c
}

// route implements datagramOwner. It refuses datagrams that the filtering keeps from the client.
func (c *UDPFlow) route(_ netip.Addr, from netip.AddrPort) (_, to netip.AddrPort, err error) {
	f := c.forwarder
	to = c.place.Key.Client
	switch {
	case from.Addr().Is4() != to.Addr().Is4():
		return from, to, syscall.EAFNOSUPPORT
	case !from.Addr().IsValid(), f.stack.own().IsGroup(from.Addr()):
		return from, to, syscall.EADDRNOTAVAIL
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if !c.place.Live() {
		return from, to, net.ErrClosed
	}
	if b := f.cfg.Filtering; b != EndpointIndependent && !c.contacts.Contain(reduce(b, from)) {
		f.stack.totals.Count(counters.FlowsFiltered)
		return from, to, syscall.EPERM
	}
	timeout := nat.Idle
	if from.Port() == dnsPort {
		timeout = nat.DNS
	}
	f.note(f.stack.clock.Now(), c, timeout)
	return from, to, nil
}

const dnsPort = 53

// forget implements datagramOwner.
func (c *UDPFlow) forget() {
	c.forwarder.mu.Lock()
	defer c.forwarder.mu.Unlock()
	c.forwarder.flows.Remove(&c.place)
}

// SendUnreachable sends the client an ICMP message: its datagram to destination did not arrive, for the reason given.
// Linux clients with a connected socket get the error of the reason.
func (c *UDPFlow) SendUnreachable(destination netip.AddrPort, reason Unreachable) error {
	if err := reason.check(); err != nil {
		return c.opError("write", nil, err)
	}
	return c.sendError(destination, func(w *writer, ip *wire.IP, datagram []byte) error {
		c.stack.sendUnreachable(c.stack.clock.Now(), w, 0, reason, ip, datagram)
		return nil
	})
}

// SendTimeExceeded sends the client an ICMP message of a router: the hop limit of its datagram to destination has ended
// there.
func (c *UDPFlow) SendTimeExceeded(destination netip.AddrPort, router netip.Addr) error {
	return c.sendError(destination, func(w *writer, ip *wire.IP, datagram []byte) error {
		return c.stack.sendTimeExceeded(c.stack.clock.Now(), w, 0, router, ip, datagram)
	})
}

// sendError calls send with the headers of the client's datagram to destination.
func (c *UDPFlow) sendError(destination netip.AddrPort, send func(w *writer, ip *wire.IP, datagram []byte) error) error {
	destination = hostport.Unmapped(destination)
	client := c.place.Key.Client
	switch {
	case destination.Addr().Is4() != client.Addr().Is4():
		return c.opError("write", nil, syscall.EAFNOSUPPORT)
	case !destination.Addr().IsValid(), c.stack.own().IsGroup(destination.Addr()):
		return c.opError("write", nil, syscall.EADDRNOTAVAIL)
	}
	var datagram [wire.UDPHeaderLen]byte
	wire.PutUDP(datagram[:], client.Port(), destination.Port(), 0)
	w := c.stack.borrowWriter()
	defer c.stack.returnWriter(w)
	return send(w, &wire.IP{Src: client.Addr(), Dst: destination.Addr(), Protocol: wire.ProtocolUDP}, datagram[:])
}
