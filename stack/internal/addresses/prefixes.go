package addresses

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
)

// CheckPrefixes returns an error for the first prefix of a list that cannot contain the address of a peer.
func CheckPrefixes(list []netip.Prefix) error {
	for _, p := range list {
		switch {
		case p == netip.Prefix{}:
			return errors.New("a prefix is the zero value")
		case !p.IsValid():
			return fmt.Errorf("a prefix of %v has an impossible length", p.Addr())
		case p.Addr().Is4In6():
			return fmt.Errorf("%v is an IPv4 prefix in IPv6 form; the IPv4 form is meant", p)
		}
	}
	return nil
}

// InAny reports whether an address is in one of the prefixes.
func InAny(list []netip.Prefix, a netip.Addr) bool {
	return slices.ContainsFunc(list, func(p netip.Prefix) bool { return p.Contains(a) })
}
