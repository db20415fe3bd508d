package wire

import "net/netip"

// NamesNetwork reports whether the address of p is that of p's network or a broadcast address [RFC 1122 3.2.1.3]; in
// IPv6, the Subnet-Router anycast address [RFC 4291 2.6.1]. Networks of two addresses and of one have none of these
// [RFC 3021, RFC 6164].
func NamesNetwork(p netip.Prefix) bool {
	a := p.Addr()
	if a == netip.AddrFrom4([4]byte{255, 255, 255, 255}) {
		return true
	}
	if a.BitLen()-p.Bits() < 2 {
		return false
	}
	return a == p.Masked().Addr() || a.Is4() && !p.Contains(a.Next())
}

// Source returns the address that stands for one source in limits: an IPv4 address itself, or the first address of an
// IPv6 address's network of 64 bits, since one host can use all addresses of that network.
func Source(a netip.Addr) netip.Addr {
	if a.Is4() {
		return a
	}
	p, _ := a.Prefix(64)
	return p.Addr()
}
