package stack

import (
	"context"
	"net"
	"net/netip"
	"os"
	"sync"
	"syscall"
)

// binding is a local address and port listened on. The unspecified address of a family stands for all of it.
type binding = netip.AddrPort

// listeners finds who listens on an address.
type listeners struct {
	mu     sync.RWMutex
	byAddr map[binding]ref[Listener]
	ports  map[uint16]int // number of bindings of each port
}

// find returns the listener for a SYN to addr and port, nil if there is none.
func (ls *listeners) find(addr netip.Addr, port uint16) *Listener {
	ls.mu.RLock()
	defer ls.mu.RUnlock()
	if ls.ports[port] == 0 {
		return nil
	}
	if l, ok := ls.byAddr[netip.AddrPortFrom(addr, port)]; ok {
		return l.get()
	}
	l := ls.byAddr[netip.AddrPortFrom(wildcard(addr.Is4()), port)]
	return l.get()
}

// usesPort reports whether anybody listens on the port.
func (ls *listeners) usesPort(port uint16) bool {
	ls.mu.RLock()
	defer ls.mu.RUnlock()
	return ls.ports[port] > 0
}

// add registers l, or reports false when an address of it is taken. A wildcard takes every address of its family, as
// with the kernel's sockets.
func (ls *listeners) add(l *Listener) bool {
	ls.mu.Lock()
	defer ls.mu.Unlock()
	for _, b := range l.binds {
		if ls.taken(b) {
			return false
		}
	}
	for _, b := range l.binds {
		ls.byAddr[b] = l.ref
		ls.ports[b.Port()]++
	}
	return true
}

func (ls *listeners) taken(b binding) bool {
	if ls.ports[b.Port()] == 0 {
		return false
	}
	for other := range ls.byAddr {
		if other.Port() == b.Port() && other.Addr().Is4() == b.Addr().Is4() &&
			(other.Addr() == b.Addr() || other.Addr().IsUnspecified() || b.Addr().IsUnspecified()) {
			return true
		}
	}
	return false
}

func (ls *listeners) remove(l *Listener) {
	ls.mu.Lock()
	defer ls.mu.Unlock()
	for _, b := range l.binds {
		if ls.byAddr[b] != l.ref {
			continue
		}
		delete(ls.byAddr, b)
		if ls.ports[b.Port()]--; ls.ports[b.Port()] == 0 {
			delete(ls.ports, b.Port())
		}
	}
}

func (ls *listeners) all() []*Listener {
	ls.mu.RLock()
	defer ls.mu.RUnlock()
	var list []*Listener
	for b, r := range ls.byAddr {
		if l := r.get(); l != nil && b == l.binds[0] {
			list = append(list, l)
		}
	}
	return list
}

func wildcard(is4 bool) netip.Addr {
	if is4 {
		return netip.IPv4Unspecified()
	}
	return netip.IPv6Unspecified()
}

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
