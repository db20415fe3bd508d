package stack

import (
	"container/list"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"syscall"

	"minitcp/conn"
	"minitcp/conn/wire"
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
	key       flowKey

	// Guarded by the forwarder's lock.
	last     conn.Time        // the last datagram in either direction
	contacts []netip.AddrPort // remote ends that the client has sent to; unused with endpoint-independent filtering
	timeouts *idleFlows       // the forwarder's idle or dns
	place    *list.Element    // in it; nil when the flow has ended
	bySource *list.Element
}

// maxContacts is the number of remote ends that a flow remembers.
const maxContacts = 128

// contact remembers that the client has sent to remote. The forwarder's lock is held.
func (c *UDPFlow) contact(remote netip.AddrPort) {
	b := c.forwarder.cfg.Filtering
	if b == EndpointIndependent {
		return
	}
	remote = reduce(b, remote)
	if i := slices.Index(c.contacts, remote); i >= 0 {
		c.contacts = slices.Delete(c.contacts, i, i+1)
	} else if len(c.contacts) == maxContacts {
		c.contacts = slices.Delete(c.contacts, 0, 1)
	}
	c.contacts = append(c.contacts, remote)
}

// route implements datagramOwner. It refuses datagrams that the filtering keeps from the client.
func (c *UDPFlow) route(_ netip.Addr, from netip.AddrPort) (_, to netip.AddrPort, err error) {
	f := c.forwarder
	to = c.key.client
	switch {
	case from.Addr().Is4() != to.Addr().Is4():
		return from, to, syscall.EAFNOSUPPORT
	case !from.Addr().IsValid(), f.stack.own().IsGroup(from.Addr()):
		return from, to, syscall.EADDRNOTAVAIL
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if c.place == nil {
		return from, to, net.ErrClosed
	}
	if b := f.cfg.Filtering; b != EndpointIndependent && !slices.Contains(c.contacts, reduce(b, from)) {
		f.stack.totals.count(countFlowsFiltered)
		return from, to, syscall.EPERM
	}
	timeouts := &f.idle
	if from.Port() == dnsPort {
		timeouts = &f.dns
	}
	f.note(f.stack.clock.Now(), c, timeouts)
	return from, to, nil
}

const dnsPort = 53

// forget implements datagramOwner.
func (c *UDPFlow) forget() {
	c.forwarder.mu.Lock()
	defer c.forwarder.mu.Unlock()
	c.forwarder.remove(c)
}

// SendUnreachable sends the client an ICMP message: its datagram to destination did not arrive, for the reason given.
// Linux clients with a connected socket get the error of the reason.
func (c *UDPFlow) SendUnreachable(destination netip.AddrPort, reason Unreachable) error {
	destination = unmapped(destination)
	client := c.key.client
	switch {
	case int(reason) >= len(unreachableCodes):
		return c.opError("write", nil, fmt.Errorf("%v is not a reason: %w", reason, syscall.EINVAL))
	case destination.Addr().Is4() != client.Addr().Is4():
		return c.opError("write", nil, syscall.EAFNOSUPPORT)
	case !destination.Addr().IsValid(), c.stack.own().IsGroup(destination.Addr()):
		return c.opError("write", nil, syscall.EADDRNOTAVAIL)
	}
	var datagram [wire.UDPHeaderLen]byte
	wire.PutUDP(datagram[:], client.Port(), destination.Port(), 0)
	s := c.stack
	w := s.borrowWriter()
	defer s.returnWriter(w)
	s.sendUnreachable(s.clock.Now(), w, 0, reason, &wire.IP{Src: client.Addr(), Dst: destination.Addr(), Protocol: wire.ProtocolUDP}, datagram[:])
	return nil
}
