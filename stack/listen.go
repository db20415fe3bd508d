package stack

import (
	"context"
	"net"
	"net/netip"
	"os"
	"syscall"
)

// Listen listens on a local address: network is "tcp", "tcp4" or "tcp6", address "host:port" with a literal IP address
// of the stack's, or no host for all of them. "tcp" without a host takes IPv4 and IPv6. Port 0 lets the stack choose;
// see Addr. The net.Listener is a [*Listener].
//
// Errors are *net.OpError; errors.Is finds syscall.EADDRINUSE, syscall.EADDRNOTAVAIL, and what [Stack.Err] returns.
// A port may be listened on while connections of it exist (RFC 9293 3.9.1.1, MUST-42).
func (s *Stack) Listen(network, address string) (net.Listener, error) {
	l, err := s.ListenTCP(network, address)
	if err != nil {
		return nil, err
	}
	return l, nil
}

// ListenTCP is Listen with the type it returns.
func (s *Stack) ListenTCP(network, address string) (*Listener, error) {
	return s.listen(network, address, nil)
}

// listen is ListenTCP, and Handle if open is not nil.
func (s *Stack) listen(network, address string, open func(*Conn) Handler) (*Listener, error) {
	fail := func(addr net.Addr, err error) (*Listener, error) {
		return nil, &net.OpError{Op: "listen", Net: network, Addr: addr, Err: err}
	}
	local, err := parseAddress(context.Background(), network, address)
	if err != nil {
		return fail(nil, err)
	}
	s.abandoned.close()
	binds, err := s.bindings(network, local)
	if err != nil {
		return fail(net.TCPAddrFromAddrPort(local), err)
	}
	for range s.ports.count() {
		if local.Port() == 0 {
			port := s.ports.next()
			for i := range binds {
				binds[i] = netip.AddrPortFrom(binds[i].Addr(), port)
			}
		}
		// Of both families the IPv6 wildcard is shown, as for the kernel's sockets.
		l := newListener(s, net.TCPAddrFromAddrPort(binds[len(binds)-1]), binds, open)
		if s.listeners.add(l) {
			if err := s.refusal(); err != nil {
				l.Close()
				return fail(l.addr, err)
			}
			return l, nil
		}
		if local.Port() != 0 {
			break
		}
	}
	return fail(net.TCPAddrFromAddrPort(local), os.NewSyscallError("bind", syscall.EADDRINUSE))
}

// bindings are what a listener on local takes.
func (s *Stack) bindings(network string, local netip.AddrPort) ([]binding, error) {
	addr, port := local.Addr(), local.Port()
	if !addr.IsValid() || addr.IsUnspecified() {
		switch {
		case network == "tcp":
			return []binding{netip.AddrPortFrom(wildcard(true), port), netip.AddrPortFrom(wildcard(false), port)}, nil
		default:
			return []binding{netip.AddrPortFrom(wildcard(network == "tcp4"), port)}, nil
		}
	}
	if !s.own().contains(addr) {
		return nil, os.NewSyscallError("bind", syscall.EADDRNOTAVAIL)
	}
	return []binding{local}, nil
}
