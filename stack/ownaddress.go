package stack

import (
	"encoding/binary"
	"net/netip"
)

// ownAddresses answers what an address is to this stack. It never changes.
type ownAddresses struct {
	prefixes   []netip.Prefix
	own        map[netip.Addr]bool
	broadcasts map[netip.Addr]bool // of our networks, and the one of no network
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

// lastOf is the highest address of an IPv4 prefix.
func lastOf(p netip.Prefix) netip.Addr {
	b := p.Addr().As4()
	n := binary.BigEndian.Uint32(b[:]) | ^uint32(0)>>p.Bits()
	binary.BigEndian.PutUint32(b[:], n)
	return netip.AddrFrom4(b)
}

func (o *ownAddresses) contains(a netip.Addr) bool { return o.own[a] }

// isGroup reports whether a names more than one host, or none: TCP is between two (RFC 9293 3.9.2.3, MUST-57).
func (o *ownAddresses) isGroup(a netip.Addr) bool {
	return a.IsMulticast() || a.IsUnspecified() || o.broadcasts[a]
}

// hasFamily reports whether the stack has an IPv4, or an IPv6, address.
func (o *ownAddresses) hasFamily(is4 bool) bool {
	for _, p := range o.prefixes {
		if p.Addr().Is4() == is4 {
			return true
		}
	}
	return false
}

// sourceFor chooses the address from which to reach remote: of those of the same family the one whose network has the
// longest prefix in common with it, the first of equals (a small part of RFC 6724, rules 2 and 8).
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
			n = 256 + p.Bits() // on our network: better than any likeness
		} else {
			n = commonBits(a, remote)
		}
		if a.IsLinkLocalUnicast() != remote.IsLinkLocalUnicast() {
			n = 0 // only as a last resort
		}
		if n > length {
			best, length = a, n
		}
	}
	return best, length >= 0
}

// commonBits is the length of the prefix two addresses of one family share.
func commonBits(a, b netip.Addr) int {
	for bits := a.BitLen(); bits > 0; bits-- {
		if p, err := a.Prefix(bits); err == nil && p.Contains(b) {
			return bits
		}
	}
	return 0
}
