package stack

import (
	"minitcp/stack/internal/flow"
	"net/netip"
	"runtime"
	"sync"
	"weak"
)

// udpPorts finds the UDPConn that a datagram is for. A socket that is connected to the sender comes before one that is
// bound to the address, and that before one bound to the port of all addresses. References are weak: a socket that the
// application has forgotten without Close leaves its addresses free, as with package net.
type udpPorts struct {
	mu        sync.RWMutex
	connected map[flow.Key]weak.Pointer[UDPConn]
	bound     map[binding]weak.Pointer[UDPConn] // all sockets, connected ones too: a local address and port belongs to one
	ports     map[uint16]int                    // the number of bindings of each port
}

func newUDPPorts() udpPorts {
	return udpPorts{
		connected: make(map[flow.Key]weak.Pointer[UDPConn]),
		bound:     make(map[binding]weak.Pointer[UDPConn]),
		ports:     make(map[uint16]int),
	}
}

// find returns the socket for a datagram to local from remote, nil if there is none.
func (u *udpPorts) find(local, remote netip.AddrPort) *UDPConn {
	u.mu.RLock()
	defer u.mu.RUnlock()
	if u.ports[local.Port()] == 0 {
		return nil
	}
	if len(u.connected) > 0 {
		if c := u.connected[flow.KeyOf(local.Addr(), remote.Addr(), local.Port(), remote.Port())].Value(); c != nil {
			return c
		}
	}
	c := u.bound[local].Value()
	if c == nil {
		c = u.bound[netip.AddrPortFrom(wildcard(local.Addr().Is4()), local.Port())].Value()
	}
	if c == nil || c.remote.IsValid() {
		return nil
	}
	return c
}

// findConnected returns the socket that is connected from local to remote.
func (u *udpPorts) findConnected(local, remote netip.AddrPort) *UDPConn {
	u.mu.RLock()
	defer u.mu.RUnlock()
	return u.connected[flow.KeyOf(local.Addr(), remote.Addr(), local.Port(), remote.Port())].Value()
}

// add registers c, or reports false if one of its addresses is taken. A wildcard takes every address of its family, as
// with the kernel's sockets.
func (u *udpPorts) add(c *UDPConn) bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	for _, b := range c.binds {
		if u.taken(b) {
			return false
		}
	}
	r := udpRegistration{ports: u, socket: weak.Make(c), binds: c.binds}
	for _, b := range c.binds {
		u.bound[b] = r.socket
		u.ports[b.Port()]++
	}
	if c.remote.IsValid() {
		r.key = c.key()
		u.connected[r.key] = r.socket
	}
	runtime.AddCleanup(c, udpRegistration.remove, r)
	return true
}

// udpRegistration is a socket's places in udpPorts.
type udpRegistration struct {
	ports  *udpPorts
	socket weak.Pointer[UDPConn]
	binds  []binding
	key    flow.Key // of a connected socket
}

// remove takes the socket out, unless that has been done.
func (r udpRegistration) remove() {
	u := r.ports
	u.mu.Lock()
	defer u.mu.Unlock()
	for _, b := range r.binds {
		if u.bound[b] != r.socket {
			continue
		}
		delete(u.bound, b)
		if u.ports[b.Port()]--; u.ports[b.Port()] == 0 {
			delete(u.ports, b.Port())
		}
	}
	if u.connected[r.key] == r.socket {
		delete(u.connected, r.key)
	}
}

func (u *udpPorts) taken(b binding) bool {
	if u.ports[b.Port()] == 0 {
		return false
	}
	if !b.Addr().IsUnspecified() {
		_, own := u.bound[b]
		_, all := u.bound[netip.AddrPortFrom(wildcard(b.Addr().Is4()), b.Port())]
		return own || all
	}
	for other := range u.bound {
		if other.Port() == b.Port() && other.Addr().Is4() == b.Addr().Is4() {
			return true
		}
	}
	return false
}

func (u *udpPorts) all() []*UDPConn {
	u.mu.RLock()
	defer u.mu.RUnlock()
	var list []*UDPConn
	for b, socket := range u.bound {
		if c := socket.Value(); c != nil && b == c.binds[0] {
			list = append(list, c)
		}
	}
	return list
}

// count returns the number of addresses and ports that are taken.
func (u *udpPorts) count() int {
	u.mu.RLock()
	defer u.mu.RUnlock()
	return len(u.bound)
}
