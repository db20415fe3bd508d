package stack

import (
	"net/netip"
	"sync"
)

// udpPorts finds the UDPConn that a datagram is for. A socket that is connected to the sender comes before one that is bound
// to the address, and that before one bound to the port of all addresses.
type udpPorts struct {
	mu        sync.RWMutex
	connected map[key]*UDPConn
	bound     map[binding]*UDPConn // all sockets, connected ones too: a local address and port belongs to one
	ports     map[uint16]int       // the number of bindings of each port
}

func newUDPPorts() udpPorts {
	return udpPorts{connected: make(map[key]*UDPConn), bound: make(map[binding]*UDPConn), ports: make(map[uint16]int)}
}

// find returns the socket for a datagram to local from remote, nil if there is none.
func (u *udpPorts) find(local, remote netip.AddrPort) *UDPConn {
	u.mu.RLock()
	defer u.mu.RUnlock()
	if u.ports[local.Port()] == 0 {
		return nil
	}
	if len(u.connected) > 0 {
		if c := u.connected[makeKey(local.Addr(), remote.Addr(), local.Port(), remote.Port())]; c != nil {
			return c
		}
	}
	c := u.bound[local]
	if c == nil {
		c = u.bound[netip.AddrPortFrom(wildcard(local.Addr().Is4()), local.Port())]
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
	return u.connected[makeKey(local.Addr(), remote.Addr(), local.Port(), remote.Port())]
}

// add registers c, or reports false if one of its addresses is taken. A wildcard takes every address of its family, as with
// the kernel's sockets.
func (u *udpPorts) add(c *UDPConn) bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	for _, b := range c.binds {
		if u.taken(b) {
			return false
		}
	}
	for _, b := range c.binds {
		u.bound[b] = c
		u.ports[b.Port()]++
	}
	if c.remote.IsValid() {
		u.connected[c.key()] = c
	}
	return true
}

func (u *udpPorts) taken(b binding) bool {
	if u.ports[b.Port()] == 0 {
		return false
	}
	if !b.Addr().IsUnspecified() {
		return u.bound[b] != nil || u.bound[netip.AddrPortFrom(wildcard(b.Addr().Is4()), b.Port())] != nil
	}
	for other := range u.bound {
		if other.Port() == b.Port() && other.Addr().Is4() == b.Addr().Is4() {
			return true
		}
	}
	return false
}

func (u *udpPorts) remove(c *UDPConn) {
	u.mu.Lock()
	defer u.mu.Unlock()
	for _, b := range c.binds {
		if u.bound[b] != c {
			continue
		}
		delete(u.bound, b)
		if u.ports[b.Port()]--; u.ports[b.Port()] == 0 {
			delete(u.ports, b.Port())
		}
	}
	if c.remote.IsValid() && u.connected[c.key()] == c {
		delete(u.connected, c.key())
	}
}

func (u *udpPorts) all() []*UDPConn {
	u.mu.RLock()
	defer u.mu.RUnlock()
	var list []*UDPConn
	for b, c := range u.bound {
		if b == c.binds[0] {
			list = append(list, c)
		}
	}
	return list
}
