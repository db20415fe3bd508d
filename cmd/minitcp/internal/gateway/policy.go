//go:build linux

package gateway

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
)

// errProhibited is the error of destinations that the gateway refuses.
var errProhibited = errors.New("the destination is prohibited")

// errNoService is the error of destinations at the gateway's own addresses, where no socket of the stack takes them.
var errNoService = errors.New("no service of the gateway has this port")

// dnsPort is the port that Options.DNS concerns.
const dnsPort = 53

// target returns the destination to send to instead of dst, or an error: errNoService, or one that wraps errProhibited.
func (g *Gateway) target(dst netip.AddrPort) (netip.AddrPort, error) {
	if dst.Port() == dnsPort && g.o.DNS.IsValid() {
		return g.o.DNS, nil
	}
	if g.o.Rewrite != nil {
		if to, changed := g.o.Rewrite(dst); changed {
			return to, nil
		}
	}
	a := dst.Addr()
	if g.isOwn(a) {
		return dst, errNoService
	}
	for _, kind := range []struct {
		name string
		is   bool
	}{
		{"a loopback address", a.IsLoopback() || a.Is4In6() && a.Unmap().IsLoopback()},
		{"a link-local address", a.IsLinkLocalUnicast()},
		{"a multicast address", a.IsMulticast()},
		{"no address of a host", a.IsUnspecified() || a.Is4In6() || a.Is4() && (a.As4()[0] == 0 || a.As4()[0] >= 240)},
		{"in the gateway's own network", g.inOwnNetwork(a)},
		{"prohibited by the settings", g.o.Refuse != nil && g.o.Refuse(dst)},
	} {
		if kind.is {
			return dst, fmt.Errorf("%w: it is %s", errProhibited, kind.name)
		}
	}
	return dst, nil
}

// isOwn reports whether a is one of the stack's addresses.
func (g *Gateway) isOwn(a netip.Addr) bool {
	return slices.ContainsFunc(g.stack.Addresses(), func(p netip.Prefix) bool { return p.Addr() == a })
}

// inOwnNetwork reports whether a is in a network of the stack's addresses. Packets to it would come back.
func (g *Gateway) inOwnNetwork(a netip.Addr) bool {
	return slices.ContainsFunc(g.stack.Addresses(), func(p netip.Prefix) bool { return p.Contains(a) })
}
