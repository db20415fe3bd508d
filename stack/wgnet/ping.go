package wgnet

import (
	"net"
	"net/netip"

	"minitcp/stack"
)

// PingAddr is the address of a ping socket: an IP address. It implements [net.Addr].
type PingAddr struct{ addr netip.Addr }

// PingAddrFromAddr returns addr as a PingAddr.
func PingAddrFromAddr(addr netip.Addr) *PingAddr { return &PingAddr{addr} }

// String returns the IP address.
func (a PingAddr) String() string { return a.addr.String() }

// Network returns "ping4" or "ping6", or "ping" for an address that is not valid.
func (a PingAddr) Network() string {
	switch {
	case a.addr.Is4():
		return "ping4"
	case a.addr.Is6():
		return "ping6"
	}
	return "ping"
}

// Addr returns the IP address.
func (a PingAddr) Addr() netip.Addr { return a.addr }

// PingConn is a [stack.PingConn] whose addresses are PingAddrs.
type PingConn struct{ *stack.PingConn }

// LocalAddr returns the socket's own address, a *PingAddr.
func (c *PingConn) LocalAddr() net.Addr { return pingAddr(c.PingConn.LocalAddr()) }

// RemoteAddr returns the address the socket is connected to, a *PingAddr, or nil.
func (c *PingConn) RemoteAddr() net.Addr {
	if a := c.PingConn.RemoteAddr(); a != nil {
		return pingAddr(a)
	}
	return nil
}

// ReadFrom reads an echo reply and returns its sender, a *PingAddr.
func (c *PingConn) ReadFrom(p []byte) (int, net.Addr, error) {
	n, a, err := c.PingConn.ReadFrom(p)
	if a == nil {
		return n, nil, err
	}
	return n, pingAddr(a), err
}

// WriteTo sends an echo request to addr, a *PingAddr or *net.IPAddr.
func (c *PingConn) WriteTo(p []byte, addr net.Addr) (int, error) {
	switch a := addr.(type) {
	case *PingAddr:
		addr = &net.IPAddr{IP: a.addr.AsSlice()}
	case PingAddr:
		addr = &net.IPAddr{IP: a.addr.AsSlice()}
	}
	return c.PingConn.WriteTo(p, addr)
}

func pingAddr(a net.Addr) *PingAddr {
	ip, _ := netip.AddrFromSlice(a.(*net.IPAddr).IP)
	return &PingAddr{ip.Unmap()}
}

// DialPing returns a ping socket that is connected to raddr. A local address of nil is chosen by the stack. If raddr
// is nil, it is ListenPing.
func (n *Net) DialPing(laddr, raddr *PingAddr) (*PingConn, error) {
	return n.DialPingAddr(addrOf(laddr), addrOf(raddr))
}

// DialPingAddr acts like DialPing but takes netip.Addrs.
func (n *Net) DialPingAddr(laddr, raddr netip.Addr) (*PingConn, error) {
	if !raddr.IsValid() {
		return n.ListenPingAddr(laddr)
	}
	c, err := n.stack.DialPing(laddr, raddr)
	if err != nil {
		return nil, err
	}
	return &PingConn{c}, nil
}

// ListenPing returns a ping socket that may send to any address.
func (n *Net) ListenPing(laddr *PingAddr) (*PingConn, error) { return n.ListenPingAddr(addrOf(laddr)) }

// ListenPingAddr acts like ListenPing but takes a netip.Addr.
func (n *Net) ListenPingAddr(laddr netip.Addr) (*PingConn, error) {
	c, err := n.stack.ListenPing(laddr)
	if err != nil {
		return nil, err
	}
	return &PingConn{c}, nil
}

func addrOf(a *PingAddr) netip.Addr {
	if a == nil {
		return netip.Addr{}
	}
	return a.addr
}
