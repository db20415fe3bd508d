//go:build linux

package gateway

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"strings"
)

// Rule gives the outbound of the destinations in a prefix. The zero Prefix stands for all.
type Rule struct {
	Prefix   netip.Prefix
	Outbound Outbound
}

// ParseRule parses URL or PREFIX=URL, with a URL of [ParseOutbound]. A PREFIX without a length is one address.
func ParseRule(s string) (Rule, error) {
	prefix, url, found := strings.Cut(s, "=")
	if !found || strings.Contains(prefix, "://") { // a password may contain a =
		o, err := ParseOutbound(s)
		return Rule{Outbound: o}, err
	}
	p, err := netip.ParsePrefix(prefix)
	if a, errAddr := netip.ParseAddr(prefix); errAddr == nil && a.Zone() == "" {
		p, err = netip.PrefixFrom(a, a.BitLen()), nil
	}
	if err != nil || p.Addr().Is4In6() {
		return Rule{}, fmt.Errorf("%q is not a network, such as 10.0.0.0/8 or fd00::/8", prefix)
	}
	if p != p.Masked() {
		return Rule{}, fmt.Errorf("%v has bits beyond its length; the network is %v", p, p.Masked())
	}
	o, err := ParseOutbound(url)
	return Rule{Prefix: p, Outbound: o}, err
}

// String returns the rule in the form of [ParseRule], without a password.
func (r Rule) String() string {
	if !r.Prefix.IsValid() {
		return r.Outbound.String()
	}
	return r.Prefix.String() + "=" + r.Outbound.String()
}

// rules are in the order of the lengths of their prefixes, the longest first.
type rules []Rule

func newRules(list []Rule) rules {
	r := rules(slices.Clone(list))
	slices.SortStableFunc(r, func(a, b Rule) int { return cmp.Compare(b.Prefix.Bits(), a.Prefix.Bits()) })
	return r
}

// outbound returns the outbound for a destination.
func (r rules) outbound(a netip.Addr) Outbound {
	for _, rule := range r {
		if !rule.Prefix.IsValid() || rule.Prefix.Contains(a) {
			return rule.Outbound
		}
	}
	return Direct
}
