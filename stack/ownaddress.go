package stack

import (
	"fmt"
	"net/netip"
	"slices"
	"syscall"

	"minitcp/conn"
	"minitcp/conn/wire"
	"minitcp/stack/internal/addresses"
	"minitcp/stack/internal/flow"
	"minitcp/stack/internal/frame"
)

// own returns the stack's addresses as they are now.
func (s *Stack) own() *addresses.Set { return s.addresses.Load() }

// Addresses returns the stack's addresses, each with the length of its network's prefix.
func (s *Stack) Addresses() []netip.Prefix { return slices.Clone(s.own().Prefixes()) }

// AddAddress adds an address, given with the length of its network's prefix. The caller ensures that the device
// brings packets for it. The error is one for which errors.Is finds syscall.EEXIST or syscall.EINVAL, or what
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
	if now.Contains(p.Addr()) {
		return fmt.Errorf("stack: %v is an address of the stack already: %w", p.Addr(), syscall.EEXIST)
	}
	changed := addresses.NewSet(append(slices.Clip(now.Prefixes()), p))
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
		if e.Key.Local == removed {
			s.abort(e, w)
		}
	}
	return nil
}

// dropAddress takes an address off the list, or reports false if it is not on it.
func (s *Stack) dropAddress(a netip.Addr) bool {
	s.changing.Lock()
	defer s.changing.Unlock()
	now := s.own()
	if !now.Contains(a) {
		return false
	}
	rest := slices.DeleteFunc(slices.Clone(now.Prefixes()), func(p netip.Prefix) bool { return p.Addr() == a })
	s.addresses.Store(addresses.NewSet(rest))
	return true
}

// SetMTU changes the size of the largest IP packet, in bytes, that the stack sends, after that of the device has
// changed. The segments of connections become smaller when it falls. When it rises, new connections use it. The error
// is one for which errors.Is finds syscall.EINVAL, also for an MTU above that of an [MTULimiter].
func (s *Stack) SetMTU(mtu int) error {
	s.changing.Lock()
	defer s.changing.Unlock()
	given := mtu
	mtu = min(mtu, frame.MaxPacket)
	if err := checkMTU(mtu, s.own()); err != nil {
		return fmt.Errorf("%w: %w", err, syscall.EINVAL)
	}
	if d, ok := s.device.(MTULimiter); ok && mtu > d.MaxMTU() {
		return fmt.Errorf("stack: the device takes no packets of more than %d bytes, and an MTU of %d was given: %w",
			d.MaxMTU(), given, syscall.EINVAL)
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
