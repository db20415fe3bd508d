//go:build linux

package main

import (
	"net/netip"
	"slices"
	"strings"

	"minitcp/conn/wire"
)

// addressList is the value of --address and --host-address, which may be repeated. The first use replaces the defaults.
type addressList struct {
	prefixes []netip.Prefix
	given    bool
}

func newAddressList(defaults ...string) addressList {
	var l addressList
	for _, s := range defaults {
		l.prefixes = append(l.prefixes, netip.MustParsePrefix(s))
	}
	return l
}

// Set adds one address, or several separated by commas, each with its network's prefix length.
func (l *addressList) Set(s string) error {
	for text := range strings.SplitSeq(s, ",") {
		if err := l.add(text); err != nil {
			return err
		}
	}
	return nil
}

func (l *addressList) add(s string) error {
	p, err := netip.ParsePrefix(s)
	if err != nil {
		if a, err := netip.ParseAddr(s); err == nil && a.Zone() == "" {
			length := 24
			if a.Is6() {
				length = 64
			}
			return usagef("missing prefix length; for instance: %v/%d", a, length)
		}
		return usagef("not an address with a prefix length, such as 10.77.0.2/24 or fd77::2/64")
	}
	a := p.Addr()
	if a.Is4In6() || a.IsUnspecified() || a.IsMulticast() || a.IsLoopback() {
		return usagef("not usable as a host address; choose another, such as 10.77.0.2/24")
	}
	if wire.NamesNetwork(p) {
		return usagef("a network or broadcast address; choose another, such as 10.77.0.2/24")
	}
	if !l.given {
		l.prefixes, l.given = nil, true
	}
	if slices.Contains(l.addresses(), a) {
		return usagef("this address is given twice; remove one")
	}
	l.prefixes = append(l.prefixes, p)
	return nil
}

// String returns the list, separated by commas.
func (l *addressList) String() string {
	var list []string
	for _, p := range l.prefixes {
		list = append(list, p.String())
	}
	return strings.Join(list, ",")
}

// Type returns the word for the value in the help text.
func (l *addressList) Type() string { return "CIDR" }

// addresses returns the addresses without their prefix lengths.
func (l *addressList) addresses() []netip.Addr {
	var list []netip.Addr
	for _, p := range l.prefixes {
		list = append(list, p.Addr())
	}
	return list
}

// limitFamilies removes the defaults of each address family for which the user gave the other side no address.
func (l *addressList) limitFamilies(other *addressList) {
	if l.given || !other.given {
		return
	}
	l.prefixes = slices.DeleteFunc(l.prefixes, func(p netip.Prefix) bool {
		return !slices.ContainsFunc(other.prefixes, func(o netip.Prefix) bool { return o.Addr().Is4() == p.Addr().Is4() })
	})
}

// reaches reports whether a is on the network of an address of the list.
func (l *addressList) reaches(a netip.Addr) bool {
	return slices.ContainsFunc(l.prefixes, func(p netip.Prefix) bool { return p.Contains(a) })
}

// broadcasts returns the network of l of which a is the network or broadcast address, if there is one.
func (l *addressList) broadcasts(a netip.Addr) (network netip.Prefix, ok bool) {
	for _, p := range l.prefixes {
		if p.Contains(a) && wire.NamesNetwork(netip.PrefixFrom(a, p.Bits())) {
			return p.Masked(), true
		}
	}
	return netip.Prefix{}, false
}
