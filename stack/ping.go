package stack

import (
	"fmt"
	"net"
	"net/netip"
	"os"
	"runtime"
	"syscall"

	"minitcp/conn"
	"minitcp/conn/wire"
	"minitcp/stack/internal/counters"
	"minitcp/stack/internal/datagrams"
	"minitcp/stack/internal/icmp"
	"minitcp/stack/internal/ports"
	"minitcp/stack/internal/ref"
)

// PingConn is a ping socket, as Linux gives them to processes without privileges. It sends ICMP and ICMPv6 echo
// requests and receives the replies to them. Each message begins with its ICMP header of 8 bytes. The identifier in it
// is the socket's: Write and WriteTo put it there, together with the checksum.
//
// It implements [net.Conn] and [net.PacketConn]. Its methods may be called from many goroutines at once.
type PingConn struct {
	datagramSocket
	id    uint16
	place ports.Registration[PingConn]
}

// ListenPing returns a ping socket that may send to any address. The local address is one of the stack's, or the
// unspecified address of a family. Its errors are those of [Stack.ListenUDP].
func (s *Stack) ListenPing(local netip.Addr) (*PingConn, error) {
	local = local.Unmap().WithZone("")
	c, err := s.bindPing(local, netip.Addr{})
	if err != nil {
		return nil, &net.OpError{Op: "listen", Net: "ping", Addr: &net.IPAddr{IP: local.AsSlice()}, Err: err}
	}
	return c, nil
}

// DialPing returns a ping socket that sends to remote and receives from it alone. A local address that is not valid or
// unspecified is chosen by the stack. Its errors are those of [Stack.DialUDP].
func (s *Stack) DialPing(local, remote netip.Addr) (*PingConn, error) {
	local, remote = local.Unmap().WithZone(""), remote.Unmap().WithZone("")
	fail := func(err error) (*PingConn, error) {
		return nil, &net.OpError{Op: "dial", Net: "ping", Addr: &net.IPAddr{IP: remote.AsSlice()}, Err: err}
	}
	from, err := s.source(netip.AddrPortFrom(local, 0), netip.AddrPortFrom(remote, 1))
	if err != nil {
		return fail(os.NewSyscallError("connect", err))
	}
	c, err := s.bindPing(from.Addr(), remote)
	if err != nil {
		return fail(err)
	}
	return c, nil
}

// bindPing registers a ping socket under an identifier that is free.
func (s *Stack) bindPing(local, remote netip.Addr) (*PingConn, error) {
	if !local.IsValid() || !local.IsUnspecified() && !s.own().Contains(local) || !s.own().HasFamily(local.Is4()) {
		return nil, os.NewSyscallError("bind", syscall.EADDRNOTAVAIL)
	}
	c := &PingConn{}
	c.addr = netip.AddrPortFrom(local, 0)
	c.init(s, "ping", c)
	if remote.IsValid() {
		c.remote = netip.AddrPortFrom(remote, 0)
	}
	if !c.register(s.ephemeral.Random()) {
		return nil, os.NewSyscallError("bind", syscall.EADDRINUSE)
	}
	runtime.AddCleanup(c, ports.Registration[PingConn].Remove, c.place)
	if err := s.refusal(); err != nil { // shut may have looked at the sockets already
		c.close(err)
		return nil, err
	}
	return c, nil
}

// register registers c under the first free identifier from one on, or reports false if there is none. The registry
// finds it by the identifier as it finds a UDP socket by its port.
func (c *PingConn) register(from uint16) bool {
	for i := range 1 << 16 {
		c.id = from + uint16(i)
		bind := []netip.AddrPort{netip.AddrPortFrom(c.addr.Addr(), c.id)}
		c.place = c.stack.pings.Registration(ref.Weak(c), bind, c.remote)
		if c.place.Add() {
			return true
		}
	}
	return false
}

// forget implements datagramOwner.
func (c *PingConn) forget() { c.place.Remove() }

// route implements datagramOwner.
func (c *PingConn) route(_ netip.Addr, to netip.AddrPort) (from, _ netip.AddrPort, err error) {
	if !to.Addr().IsValid() {
		return from, to, syscall.EDESTADDRREQ
	}
	from, err = c.stack.source(c.addr, netip.AddrPortFrom(to.Addr(), 1))
	return from, to, err
}

// RemoteAddr returns the address the socket is connected to, a *net.IPAddr, or nil.
func (c *PingConn) RemoteAddr() net.Addr {
	if !c.remote.IsValid() {
		return nil
	}
	return c.netAddr(c.remote)
}

// ReadFrom reads an echo reply and returns its sender, a *net.IPAddr.
func (c *PingConn) ReadFrom(p []byte) (int, net.Addr, error) {
	d, n, _, err := c.receive("recvfrom", p)
	if err != nil {
		return n, nil, err
	}
	return n, c.netAddr(d.Remote), nil
}

// Write sends an echo request on a connected socket. It does not block. Errors are those of [UDPConn.Write], and
// syscall.EINVAL if p is no echo request of the socket's family.
func (c *PingConn) Write(p []byte) (int, error) {
	if !c.remote.IsValid() {
		return 0, c.opError("write", nil, os.NewSyscallError("write", syscall.EDESTADDRREQ))
	}
	return c.send("write", p, c.remote)
}

// WriteTo sends an echo request to addr, a *net.IPAddr or a *net.UDPAddr, whose port is not used.
func (c *PingConn) WriteTo(p []byte, addr net.Addr) (int, error) {
	if c.remote.IsValid() {
		return 0, c.opError("write", addr, net.ErrWriteToConnected)
	}
	var ip net.IP
	switch a := addr.(type) {
	case *net.IPAddr:
		if a != nil {
			ip = a.IP
		}
	case *net.UDPAddr:
		if a != nil {
			ip = a.IP
		}
	}
	to, ok := netip.AddrFromSlice(ip)
	if !ok {
		return 0, c.opError("write", addr, os.NewSyscallError("sendto", syscall.EINVAL))
	}
	return c.send("sendto", p, netip.AddrPortFrom(to.Unmap(), 0))
}

func (c *PingConn) send(call string, p []byte, to netip.AddrPort) (int, error) {
	if err := c.sendEcho(p, to); err != nil {
		return 0, c.writeError(call, to, err)
	}
	return len(p), nil
}

func (c *PingConn) sendEcho(p []byte, to netip.AddrPort) error {
	echo := icmp.EchoType(c.addr.Addr().Is4())
	if to.Addr().Is4() != c.addr.Addr().Is4() {
		return syscall.EAFNOSUPPORT
	}
	if len(p) < icmp.HeaderLen || p[0] != echo || p[1] != 0 {
		return fmt.Errorf("not an echo request of the socket's family: %w", syscall.EINVAL)
	}
	o, err := c.outgoing(&Datagram{}, to)
	if err != nil {
		return err
	}
	m := wire.ICMP{Type: echo, ID: c.id, Seq: uint16(p[6])<<8 | uint16(p[7]), Body: p[icmp.HeaderLen:]}
	w := c.stack.borrowWriter()
	defer c.stack.returnWriter(w)
	w.ip = o.ip(icmp.Protocol(o.local.Addr().Is4()))
	return c.stack.writeICMP(w, c.stack.queueOf(&o), &m, o.mtu, o.fragment)
}

// echoReply gives the echo reply at hand, whose ICMP message is payload, to the socket that it is for.
func (q *queue) echoReply(payload []byte) {
	s := q.stack
	var c *PingConn
	if s.own().Contains(q.ip.Dst) { // else a forwarder takes echo requests to it
		c = s.pings.Find(netip.AddrPortFrom(q.ip.Dst, q.icmp.ID), netip.AddrPortFrom(q.ip.Src, 0))
	}
	if c == nil {
		s.totals.Count(counters.ICMPIgnored)
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	d := datagrams.Datagram{Data: payload, Remote: netip.AddrPortFrom(q.ip.Src, 0), Local: q.ip.Dst, ECN: q.ip.ECN()}
	switch {
	case c.in.Closed != nil:
		s.totals.Count(counters.ICMPIgnored)
	case !c.in.Push(d):
		s.totals.Count(counters.DropPingBufferFull)
	}
}

// icmpErrorPing gives an ICMP error about an echo request to the connected socket that has sent it.
func (s *Stack) icmpErrorPing(local, remote netip.Addr, id uint16, e conn.ICMPError) {
	c := s.pings.FindConnected(netip.AddrPortFrom(local, id), netip.AddrPortFrom(remote, 0))
	if c == nil {
		s.totals.Count(counters.DropICMP)
		return
	}
	c.fail(e)
}
