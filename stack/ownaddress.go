package stack

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"slices"
	"syscall"

	"minitcp/conn"
	"minitcp/conn/wire"
	"minitcp/stack/internal/flow"
)

// own returns the stack's addresses as they are now.
func (s *Stack) own() *ownAddresses { return s.addresses.Load() }

// Addresses returns the stack's addresses, each with the length of its network's prefix.
func (s *Stack) Addresses() []netip.Prefix { return slices.Clone(s.own().prefixes) }

// AddAddress adds an address, given with the length of its network's prefix. The device must bring packets for it;
// that is up to the caller. The error is one for which errors.Is finds syscall.EEXIST or syscall.EINVAL, or what
// [Stack.Err] returns.
func (s *Stack) AddAddress(p netip.Prefix) error {
	if err := checkAddress(p); err != nil {
		return err
	}
	s.changing.Lock()
	defer s.changing.Unlock()
	if err := s.refusal(); err != nil {
		return err
	}
	now := s.own()
	if now.contains(p.Addr()) {
		return fmt.Errorf("stack: %v is an address of the stack already: %w", p.Addr(), syscall.EEXIST)
	}
	changed := newOwnAddresses(append(slices.Clip(now.prefixes), p))
	if err := checkMTU(int(s.mtu.Load()), changed); err != nil {
		return fmt.Errorf("%w: %w", err, syscall.EINVAL)
	}
	s.addresses.Store(changed)
	return nil
}

// RemoveAddress removes an address. Connections from it are reset, and calls on them return syscall.ECONNABORTED.
// Listeners and sockets that are bound to it stay, and receive nothing while it is removed. Dial and sockets that would
// send from it return syscall.EADDRNOTAVAIL, and so does RemoveAddress for an address that is not the stack's.
func (s *Stack) RemoveAddress(a netip.Addr) error {
	if !s.dropAddress(a) {
		return fmt.Errorf("stack: %v is not an address of the stack: %w", a, syscall.EADDRNOTAVAIL)
	}
	// Handlers are called without a lock: they may change addresses, too.
	removed := flow.AddressOf(a)
	w := s.borrowWriter()
	defer s.returnWriter(w)
	for e := range s.table.All() {
		if e.Key.Local != removed {
			continue
		}
		e.mu.Lock()
		c := e.user.Get()
		switch tcp := e.tcp.(type) {
		case *conn.Conn:
			tcp.Abort()
			s.flush(e, w)
		case nil:
		default:
			s.remove(e)
		}
		e.mu.Unlock()
		c.serve()
	}
	return nil
}

// dropAddress takes an address off the list, or reports false if it is not on it.
func (s *Stack) dropAddress(a netip.Addr) bool {
	s.changing.Lock()
	defer s.changing.Unlock()
	now := s.own()
	if !now.contains(a) {
		return false
	}
	rest := slices.DeleteFunc(slices.Clone(now.prefixes), func(p netip.Prefix) bool { return p.Addr() == a })
	s.addresses.Store(newOwnAddresses(rest))
	return true
}

// SetMTU changes the size of the largest IP packet, in bytes, that the stack sends, after that of the device has
// changed. The segments of connections become smaller when it falls. When it rises, new connections use it. The error
// is one for which errors.Is finds syscall.EINVAL, also for an MTU above that of an [MTULimiter].
func (s *Stack) SetMTU(mtu int) error {
	s.changing.Lock()
	defer s.changing.Unlock()
	mtu = min(mtu, maxPacket)
	if err := checkMTU(mtu, s.own()); err != nil {
		return fmt.Errorf("%w: %w", err, syscall.EINVAL)
	}
	if d, ok := s.device.(MTULimiter); ok && mtu > d.MaxMTU() {
		return fmt.Errorf("stack: the device takes no packets of more than %d bytes, and an MTU of %d was given: %w",
			d.MaxMTU(), mtu, syscall.EINVAL)
	}
	before := s.mtu.Swap(int32(mtu))
	if int32(mtu) >= before {
		return nil
	}
	w := s.borrowWriter()
	defer s.returnWriter(w)
	for e := range s.table.All() {
		e.mu.Lock()
		if tcp, ok := e.tcp.(*conn.Conn); ok {
			tcp.LowerMTU(s.clock.Now(), mtu)
			s.flush(e, w)
		}
		e.mu.Unlock()
	}
	return nil
}

// checkAddress returns an error if p cannot be an address of a stack.
func checkAddress(p netip.Prefix) error {
	a := p.Addr()
	if !p.IsValid() || a.Is4In6() || a.Zone() != "" || a.IsUnspecified() || a.IsMulticast() || wire.NamesNetwork(p) {
		return fmt.Errorf("stack: %v cannot be an address of the stack: %w", p, syscall.EINVAL)
	}
	return nil
}

// ownAddresses holds the stack's addresses and networks at one time. It is immutable; see [Stack.AddAddress].
type ownAddresses struct {
	prefixes   []netip.Prefix
	own        map[netip.Addr]bool
	broadcasts map[netip.Addr]bool // broadcast addresses of the networks, and the limited one
}

func newOwnAddresses(prefixes []netip.Prefix) *ownAddresses {
	o := &ownAddresses{
		prefixes:   prefixes,
		own:        make(map[netip.Addr]bool),
		broadcasts: map[netip.Addr]bool{netip.AddrFrom4([4]byte{255, 255, 255, 255}): true},
	}
	for _, p := range prefixes {
		o.own[p.Addr()] = true
		if p.Addr().Is4() && p.Bits() < 31 { // RFC 3021: a /31 has no broadcast address
			o.broadcasts[lastOf(p)] = true
		}
	}
	return o
}

// lastOf returns the highest address of an IPv4 prefix.
func lastOf(p netip.Prefix) netip.Addr {
	b := p.Addr().As4()
	n := binary.BigEndian.Uint32(b[:]) | ^uint32(0)>>p.Bits()
	binary.BigEndian.PutUint32(b[:], n)
	return netip.AddrFrom4(b)
}

func (o *ownAddresses) contains(a netip.Addr) bool { return o.own[a] }

// isGroup reports whether a names several hosts or none. A TCP connection is between two hosts [RFC 9293 3.9.2.3,
// MUST-57].
func (o *ownAddresses) isGroup(a netip.Addr) bool {
	return a.IsMulticast() || a.IsUnspecified() || o.broadcasts[a]
}

// hasFamily reports whether the stack has an address of IPv4, or of IPv6.
func (o *ownAddresses) hasFamily(is4 bool) bool {
	for _, p := range o.prefixes {
		if p.Addr().Is4() == is4 {
			return true
		}
	}
	return false
}

// sourceFor returns the source address for packets to remote: of the addresses of its family, the one whose network has
// the longest prefix in common with it, and the first of equals (a small part of RFC 6724, rules 2 and 8).
func (o *ownAddresses) sourceFor(remote netip.Addr) (netip.Addr, bool) {
	var best netip.Addr
	length := -1
	for _, p := range o.prefixes {
		a := p.Addr()
		if a.Is4() != remote.Is4() {
			continue
		}
		n := 0
		if p.Contains(remote) {
			n = 256 + p.Bits() // on this network, which is better than any common prefix
		} else {
			n = commonBits(a, remote)
		}
		if a.IsLinkLocalUnicast() != remote.IsLinkLocalUnicast() {
			n = 0 // a last resort
		}
		if n > length {
			best, length = a, n
		}
	}
	return best, length >= 0
}

// commonBits returns the length in bits of the common prefix of two addresses of one family.
func commonBits(a, b netip.Addr) int {
	for bits := a.BitLen(); bits > 0; bits-- {
		if p, err := a.Prefix(bits); err == nil && p.Contains(b) {
			return bits
		}
	}
	return 0
}
