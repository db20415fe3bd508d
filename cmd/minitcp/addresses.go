//go:build linux

package main

import (
	"net/netip"
	"slices"
	"strings"

	"minitcp/conn/wire"
)

// addressList is the value of a flag that may be given many times. The first use replaces the defaults.
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

// Set adds one address, or several with commas between them, each with the length of its network's prefix.
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
			return usagef("the length of the network's prefix is missing; for instance: %v/%d", a, length)
		}
		return usagef("not an address with the length of its network's prefix, such as 10.77.0.2/24 or fd77::2/64")
	}
	a := p.Addr()
	if a.Is4In6() || a.IsUnspecified() || a.IsMulticast() || a.IsLoopback() {
		return usagef("cannot be the address of one machine on a network; choose another, such as 10.77.0.2/24")
	}
	if wire.NamesNetwork(p) {
		return usagef("the address of a network or its broadcast address, not that of a machine; choose another, such as 10.77.0.2/24")
	}
	if !l.given {
		l.prefixes, l.given = nil, true
	}
	if slices.Contains(l.addresses(), a) {
		return usagef("this address is given twice; leave one out")
	}
	l.prefixes = append(l.prefixes, p)
	return nil
}

// String is the list with commas.
func (l *addressList) String() string {
	var list []string
	for _, p := range l.prefixes {
		list = append(list, p.String())
	}
	return strings.Join(list, ",")
}

// Type is for the help text.
func (l *addressList) Type() string { return "CIDR" }

// addresses are the list without the networks.
func (l *addressList) addresses() []netip.Addr {
	var list []netip.Addr
	for _, p := range l.prefixes {
		list = append(list, p.Addr())
	}
	return list
}

// limitFamilies drops defaults of a family in which the user gave the other side no address.
func (l *addressList) limitFamilies(other *addressList) {
	if l.given || !other.given {
		return
	}
	l.prefixes = slices.DeleteFunc(l.prefixes, func(p netip.Prefix) bool {
		return !slices.ContainsFunc(other.prefixes, func(o netip.Prefix) bool { return o.Addr().Is4() == p.Addr().Is4() })
	})
}

// reaches reports whether a is on the network of one of the list.
func (l *addressList) reaches(a netip.Addr) bool {
	return slices.ContainsFunc(l.prefixes, func(p netip.Prefix) bool { return p.Contains(a) })
}

// broadcasts returns the network of l in which a is no machine's address, if there is one.
func (l *addressList) broadcasts(a netip.Addr) (network netip.Prefix, ok bool) {
	for _, p := range l.prefixes {
		if p.Contains(a) && wire.NamesNetwork(netip.PrefixFrom(a, p.Bits())) {
			return p.Masked(), true
		}
	}
	return netip.Prefix{}, false
}
