package stack

import (
	"context"
	"net"
	"net/netip"
	"os"
	"runtime"
	"syscall"

	"minitcp/stack/internal/hostport"
	"minitcp/stack/internal/neterr"
	"minitcp/stack/internal/ports"
	"minitcp/stack/internal/ref"
)

// UDPConn is a UDP socket. It implements [net.Conn] and [net.PacketConn], and has the methods of *net.UDPConn that
// make sense in user space. SyscallConn is not among them: libraries that find it set options of a kernel's socket.
//
// Its methods may be called from many goroutines at once.
type UDPConn struct {
	udpSocket
	binds []netip.AddrPort
	place ports.Registration[UDPConn]
}

func newUDPConn(s *Stack, binds []netip.AddrPort, remote netip.AddrPort) *UDPConn {
	c := &UDPConn{binds: binds}
	c.addr = binds[len(binds)-1] // of both families the IPv6 wildcard is shown, as for the kernel's sockets
	c.init(s, "udp", c)
	c.remote = remote
	c.place = s.udp.Registration(ref.Weak(c), binds, remote)
	return c
}

// forget implements datagramOwner.
func (c *UDPConn) forget() { c.place.Remove() }

// route implements datagramOwner.
func (c *UDPConn) route(local netip.Addr, to netip.AddrPort) (from, _ netip.AddrPort, err error) {
	if c.remote.IsValid() && !local.IsValid() {
		if from = c.binds[0]; !c.stack.own().Contains(from.Addr()) {
			err = syscall.EADDRNOTAVAIL
		}
		return from, to, err
	}
	for _, b := range c.binds {
		if b.Addr().Is4() != to.Addr().Is4() {
			continue
		}
		from = b
		if local.IsValid() {
			from = netip.AddrPortFrom(local.Unmap(), b.Port())
			if !b.Addr().IsUnspecified() && b.Addr() != from.Addr() {
				return from, to, syscall.EADDRNOTAVAIL
			}
		}
		from, err = c.stack.source(from, to)
		return from, to, err
	}
	if !to.Addr().IsValid() {
		return from, to, syscall.EDESTADDRREQ
	}
	return from, to, syscall.EAFNOSUPPORT
}

// ListenPacket returns a socket for datagrams to a local address. Network is "udp", "udp4" or "udp6", address as for
// [Stack.Listen]. The net.PacketConn is a [*UDPConn].
func (s *Stack) ListenPacket(network, address string) (net.PacketConn, error) {
	c, err := s.ListenUDP(network, address)
	if err != nil {
		return nil, err
	}
	return c, nil
}

// ListenUDP acts like [Stack.ListenPacket] but returns a *UDPConn.
//
// Errors are *net.OpError; errors.Is finds syscall.EADDRINUSE, syscall.EADDRNOTAVAIL, and the error of [Stack.Err].
func (s *Stack) ListenUDP(network, address string) (*UDPConn, error) {
	fail := func(addr net.Addr, err error) (*UDPConn, error) {
		return nil, &net.OpError{Op: "listen", Net: network, Addr: addr, Err: err}
	}
	local, err := hostport.ParseUDP(network, address)
	if err != nil {
		return fail(nil, err)
	}
	binds, err := s.bindings(hostport.Families(network), local)
	if err != nil {
		return fail(net.UDPAddrFromAddrPort(local), err)
	}
	c, err := s.bindUDP(binds, netip.AddrPort{})
	if err != nil {
		return fail(net.UDPAddrFromAddrPort(local), err)
	}
	return c, nil
}

// DialUDP returns a socket that is connected to remote: it sends to remote, and receives from remote alone. A local
// address that is not valid or unspecified is chosen by the stack, and so is a local port of 0. Errors are those of
// [Stack.ListenUDP], and syscall.ENETUNREACH.
func (s *Stack) DialUDP(local, remote netip.AddrPort) (*UDPConn, error) {
	return s.dialUDP("udp", hostport.Unmapped(local), hostport.Unmapped(remote))
}

func (s *Stack) dialUDP(network string, local, remote netip.AddrPort) (*UDPConn, error) {
	fail := func(err error) (*UDPConn, error) {
		e := &net.OpError{Op: "dial", Net: network, Addr: net.UDPAddrFromAddrPort(remote), Err: err}
		if local.Addr().IsValid() {
			e.Source = net.UDPAddrFromAddrPort(local)
		}
		return nil, e
	}
	from, err := s.source(local, remote)
	if err != nil {
		return fail(os.NewSyscallError("connect", err))
	}
	c, err := s.bindUDP([]netip.AddrPort{from}, remote)
	if err != nil {
		return fail(err)
	}
	return c, nil
}

// dialUDPContext implements [Stack.DialContext] for the networks "udp", "udp4" and "udp6".
func (s *Stack) dialUDPContext(ctx context.Context, network, address string) (net.Conn, error) {
	if err := ctx.Err(); err != nil {
		return nil, &net.OpError{Op: "dial", Net: network, Err: neterr.FromContext(err)}
	}
	remote, err := hostport.ParseUDP(network, address)
	if err != nil {
		return nil, &net.OpError{Op: "dial", Net: network, Err: err}
	}
	c, err := s.dialUDP(network, netip.AddrPort{}, remote)
	if err != nil {
		return nil, err
	}
	return c, nil
}

// bindUDP registers a socket, under a port that is free if binds have port 0.
func (s *Stack) bindUDP(binds []netip.AddrPort, remote netip.AddrPort) (*UDPConn, error) {
	next := s.ephemeral.Random
	if remote.IsValid() {
		offset := s.ephemeral.Offset(binds[0].Addr(), remote)
		next = func() uint16 { return s.ephemeral.Candidate(offset) }
	}
	var c *UDPConn
	if !s.ephemeral.Bind(binds, next, func() bool { c = newUDPConn(s, binds, remote); return c.place.Add() }) {
		return nil, os.NewSyscallError("bind", syscall.EADDRINUSE)
	}
	runtime.AddCleanup(c, ports.Registration[UDPConn].Remove, c.place)
	if err := s.refusal(); err != nil { // shut may have looked through the table already
		c.close(err)
		return nil, err
	}
	return c, nil
}

// Write sends p as one datagram on a connected socket. It blocks only while a [Pusher] is full.
//
// Errors are *net.OpError; errors.Is finds those of [UDPConn.Read], and syscall.EMSGSIZE for more than 65,507 bytes
// over IPv4 or 65,527 over IPv6.
func (c *UDPConn) Write(p []byte) (int, error) {
	if !c.remote.IsValid() {
		return 0, c.opError("write", nil, os.NewSyscallError("write", syscall.EDESTADDRREQ))
	}
	return c.send("write", p, c.remote)
}

// RemoteAddr returns the address the socket is connected to, a *net.UDPAddr, or nil.
func (c *UDPConn) RemoteAddr() net.Addr {
	if !c.remote.IsValid() {
		return nil
	}
	return net.UDPAddrFromAddrPort(c.remote)
}
