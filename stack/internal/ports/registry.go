// Package ports finds listeners and sockets by their local addresses and ports, and chooses ephemeral ports.
package ports

import (
	"net/netip"
	"sync"

	"minitcp/stack/internal/flow"
	"minitcp/stack/internal/ref"
)

// Registry finds the listener or socket that a packet is for. One that is connected to the sender comes before one that
// is bound to the address, and that before one bound to the port of all addresses of the family. An owner that has been
// collected is not found.
type Registry[T any] struct {
	mu        sync.RWMutex
	connected map[flow.Key]ref.To[T]
	bound     map[netip.AddrPort]place[T] // all owners, connected ones too: a local address and port belongs to one
	ports     map[uint16]int              // number of bindings of each port
}

type place[T any] struct {
	owner     ref.To[T]
	connected bool
}

// Registration is an owner's places in a Registry.
type Registration[T any] struct {
	registry  *Registry[T]
	owner     ref.To[T]
	binds     []netip.AddrPort
	connected bool
	key       flow.Key // of a connected owner
}

// NewRegistry returns an empty Registry.
func NewRegistry[T any]() *Registry[T] {
	return &Registry[T]{
		connected: make(map[flow.Key]ref.To[T]),
		bound:     make(map[netip.AddrPort]place[T]),
		ports:     make(map[uint16]int),
	}
}

// Find returns the owner for a packet to local from remote, nil if there is none.
func (r *Registry[T]) Find(local, remote netip.AddrPort) *T {
	r.mu.RLock()
	defer r.mu.RUnlock()
	if r.ports[local.Port()] == 0 {
		return nil
	}
	if len(r.connected) > 0 {
		if c := r.findConnected(local, remote); c != nil {
			return c
		}
	}
	p, ok := r.bound[local]
	if !ok {
		p = r.bound[netip.AddrPortFrom(Wildcard(local.Addr().Is4()), local.Port())]
	}
	if p.connected {
		return nil
	}
	return p.owner.Get()
}

// FindConnected returns the owner that is connected from local to remote, nil if there is none.
func (r *Registry[T]) FindConnected(local, remote netip.AddrPort) *T {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return r.findConnected(local, remote)
}

func (r *Registry[T]) findConnected(local, remote netip.AddrPort) *T {
	c := r.connected[flow.KeyOf(local.Addr(), remote.Addr(), local.Port(), remote.Port())]
	return c.Get()
}

// UsesPort reports whether an owner is bound to the port.
func (r *Registry[T]) UsesPort(port uint16) bool {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return r.ports[port] > 0
}

// Registration returns the places of an owner that is bound to binds and connected to remote, unless that is the zero
// value. The unspecified address of a family stands for all addresses of the family.
func (r *Registry[T]) Registration(owner ref.To[T], binds []netip.AddrPort, remote netip.AddrPort) Registration[T] {
	n := Registration[T]{registry: r, owner: owner, binds: binds, connected: remote.IsValid()}
	if n.connected {
		n.key = flow.KeyOf(binds[0].Addr(), remote.Addr(), binds[0].Port(), remote.Port())
	}
	return n
}

// Add registers the owner, or returns false if one of its addresses is taken. The unspecified address takes every
// address of its family, as with the kernel's sockets.
func (n Registration[T]) Add() bool {
	r := n.registry
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, b := range n.binds {
		if r.taken(b) {
			return false
		}
	}
	for _, b := range n.binds {
		r.bound[b] = place[T]{n.owner, n.connected}
		r.ports[b.Port()]++
	}
	if n.connected {
		r.connected[n.key] = n.owner
	}
	return true
}

func (r *Registry[T]) taken(b netip.AddrPort) bool {
	if r.ports[b.Port()] == 0 {
		return false
	}
	if !b.Addr().IsUnspecified() {
		_, own := r.bound[b]
		_, all := r.bound[netip.AddrPortFrom(Wildcard(b.Addr().Is4()), b.Port())]
		return own || all
	}
	for other := range r.bound {
		if other.Port() == b.Port() && other.Addr().Is4() == b.Addr().Is4() {
			return true
		}
	}
	return false
}

// Remove removes the owner from its Registry, unless that has been done.
func (n Registration[T]) Remove() {
	r := n.registry
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, b := range n.binds {
		if r.bound[b].owner != n.owner {
			continue
		}
		delete(r.bound, b)
		if r.ports[b.Port()]--; r.ports[b.Port()] == 0 {
			delete(r.ports, b.Port())
		}
	}
	if n.connected && r.connected[n.key] == n.owner {
		delete(r.connected, n.key)
	}
}

// All returns the owners, each once.
func (r *Registry[T]) All() []*T {
	r.mu.RLock()
	defer r.mu.RUnlock()
	seen := make(map[*T]bool)
	var list []*T
	for _, p := range r.bound {
		if o := p.owner.Get(); o != nil && !seen[o] {
			seen[o] = true
			list = append(list, o)
		}
	}
	return list
}

// Len returns the number of addresses and ports that are taken.
func (r *Registry[T]) Len() int {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return len(r.bound)
}

// Wildcard returns the unspecified address of a family.
func Wildcard(is4 bool) netip.Addr {
	if is4 {
		return netip.IPv4Unspecified()
	}
	return netip.IPv6Unspecified()
}
