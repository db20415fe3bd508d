package stack

import (
	"crypto/sha256"
	"encoding/binary"
	"math/rand/v2"
	"net/netip"
	"sync"
	"sync/atomic"
)

// binding is a local address and port that a listener is bound to. The unspecified address of a family stands for all
// addresses of the family.
type binding = netip.AddrPort

// listeners is the registry of listeners by their bindings.
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

// usesPort reports whether a listener is bound to the port.
func (ls *listeners) usesPort(port uint16) bool {
	ls.mu.RLock()
	defer ls.mu.RUnlock()
	return ls.ports[port] > 0
}

// add registers l, or returns false if one of its addresses is taken. A wildcard takes every address of its family, as
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

// ports chooses ephemeral ports by algorithm 3 of RFC 6056: a counter, plus an offset that is a keyed hash of the
// connection's destination. An outsider cannot predict the next port, and a port is used again for the same destination
// only after all others.
type ports struct {
	first   uint16
	size    uint32
	secret  [32]byte
	counter atomic.Uint32
}

func newPorts(first, last uint16, secret [32]byte) *ports {
	p := &ports{first: first, size: uint32(last-first) + 1, secret: secret}
	p.counter.Store(rand.Uint32())
	return p
}

// count returns the number of ports in the range.
func (p *ports) count() int { return int(p.size) }

// offset returns F of RFC 6056 3.3.3.
func (p *ports) offset(local netip.Addr, remote netip.AddrPort) uint32 {
	var b [32 + 16 + 16 + 2]byte
	l, r := local.As16(), remote.Addr().As16()
	copy(b[:], p.secret[:])
	copy(b[32:], l[:])
	copy(b[48:], r[:])
	binary.BigEndian.PutUint16(b[64:], remote.Port())
	h := sha256.Sum256(b[:])
	return binary.BigEndian.Uint32(h[:])
}

// candidate returns the next port to try for a destination with this offset.
func (p *ports) candidate(offset uint32) uint16 {
	return p.first + uint16((uint64(offset)+uint64(p.counter.Add(1)))%uint64(p.size))
}

// next returns a random port for a listener.
func (p *ports) next() uint16 { return p.first + uint16(rand.Uint32N(p.size)) }
