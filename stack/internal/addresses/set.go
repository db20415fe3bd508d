// Package addresses has the addresses of a stack, and chooses among them.
package addresses

import (
	"encoding/binary"
	"net/netip"
)

// Set holds a stack's addresses and networks at one time. It is immutable.
type Set struct {
	prefixes []netip.Prefix
	classes  map[netip.Addr]Class // of the addresses, the broadcast addresses of their networks and the limited one
}

// Class is a set of properties of an address.
type Class uint8

const (
	Own   Class = 1 << iota // one of the stack's addresses
	Group                   // the name of several hosts or of none
)

// NewSet returns the Set of addresses, each with the length of its network's prefix. It keeps the list.
func NewSet(prefixes []netip.Prefix) *Set {
	o := &Set{
		prefixes: prefixes,
		classes:  map[netip.Addr]Class{netip.AddrFrom4([4]byte{255, 255, 255, 255}): Group},
	}
	for _, p := range prefixes {
		o.classes[p.Addr()] |= Own
		if p.Addr().Is4() && p.Bits() < 31 { // RFC 3021: a /31 has no broadcast address
			o.classes[lastOf(p)] |= Group
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

// Prefixes returns the addresses. The caller must not change the list.
func (o *Set) Prefixes() []netip.Prefix { return o.prefixes }

// Class returns the properties of a. A TCP connection is between two hosts, never with a Group [RFC 9293 3.9.2.3,
// MUST-57].
func (o *Set) Class(a netip.Addr) Class {
	if a.IsMulticast() || a.IsUnspecified() {
		return Group
	}
	return o.classes[a]
}

// Has reports whether c has every property of p.
func (c Class) Has(p Class) bool { return c&p == p }

// Contains reports whether a is one of the addresses.
func (o *Set) Contains(a netip.Addr) bool { return o.classes[a].Has(Own) }

// IsGroup reports whether a is a Group.
func (o *Set) IsGroup(a netip.Addr) bool { return o.Class(a).Has(Group) }

// HasFamily reports whether the stack has an address of IPv4, or of IPv6.
func (o *Set) HasFamily(is4 bool) bool {
	for _, p := range o.prefixes {
		if p.Addr().Is4() == is4 {
			return true
		}
	}
	return false
}

// SourceFor returns the source address for packets to remote: of the addresses of its family, the one whose network has
// the longest prefix in common with it, and the first of equals (a small part of RFC 6724, rules 2 and 8).
func (o *Set) SourceFor(remote netip.Addr) (netip.Addr, bool) {
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
