package stack

import (
	"context"
	"net"
	"net/netip"
	"os"
	"syscall"

	"minitcp/stack/internal/hostport"
	"minitcp/stack/internal/ports"
)

// Listen listens on a local address. Network is "tcp", "tcp4" or "tcp6". Address is "host:port", where host is a
// literal IP address of the stack, or empty for all of them; then "tcp" stands for IPv4 and IPv6. If port is 0, the
// stack chooses one; see [Listener.Addr]. The net.Listener is a [*Listener].
//
// Errors are *net.OpError. For them errors.Is finds syscall.EADDRINUSE, syscall.EADDRNOTAVAIL, or the error that
// [Stack.Err] returns. Connections of a port do not keep it from being listened on [RFC 9293 3.9.1.1, MUST-42].
func (s *Stack) Listen(network, address string) (net.Listener, error) {
	l, err := s.ListenTCP(network, address)
	if err != nil {
		return nil, err
	}
	return l, nil
}

// ListenTCP acts like [Stack.Listen] but returns a *Listener.
func (s *Stack) ListenTCP(network, address string) (*Listener, error) {
	return s.listen(network, address, nil)
}

// listen implements ListenTCP, and Handle if open is not nil.
func (s *Stack) listen(network, address string, open func(*Conn) Handler) (*Listener, error) {
	fail := func(addr net.Addr, err error) (*Listener, error) {
		return nil, &net.OpError{Op: "listen", Net: network, Addr: addr, Err: err}
	}
	local, err := hostport.ParseTCP(context.Background(), network, address)
	if err != nil {
		return fail(nil, err)
	}
	s.abandoned.close()
	binds, err := s.bindings(hostport.Families(network), local)
	if err != nil {
		return fail(net.TCPAddrFromAddrPort(local), err)
	}
	var l *Listener
	if !s.ephemeral.Bind(binds, s.ephemeral.Random, func() bool {
		// The address of a listener on both families is the IPv6 wildcard, as for the kernel's sockets.
		l = newListener(s, net.TCPAddrFromAddrPort(binds[len(binds)-1]), binds, open)
		return l.place.Add()
	}) {
		return fail(net.TCPAddrFromAddrPort(local), os.NewSyscallError("bind", syscall.EADDRINUSE))
	}
	if err := s.refusal(); err != nil {
		l.Close()
		return fail(l.addr, err)
	}
	return l, nil
}

// bindings returns the bindings of a listener or socket on local, of the families "4", "6", or "" for both.
func (s *Stack) bindings(families string, local netip.AddrPort) ([]netip.AddrPort, error) {
	addr, port := local.Addr(), local.Port()
	if !addr.IsValid() || addr.IsUnspecified() {
		if families == "" {
			return []netip.AddrPort{netip.AddrPortFrom(ports.Wildcard(true), port), netip.AddrPortFrom(ports.Wildcard(false), port)}, nil
		}
		return []netip.AddrPort{netip.AddrPortFrom(ports.Wildcard(families == "4"), port)}, nil
	}
	if !s.own().Contains(addr) {
		return nil, os.NewSyscallError("bind", syscall.EADDRNOTAVAIL)
	}
	return []netip.AddrPort{local}, nil
}
