//go:build linux

package gateway

import (
	"errors"
	"fmt"
	"net/netip"
)

// errProhibited is the error of destinations that the gateway refuses.
var errProhibited = errors.New("the destination is prohibited")

// dnsPort is the port that Options.DNS concerns.
const dnsPort = 53

// target returns the destination to send to instead of dst, or an error that wraps errProhibited.
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
	for _, kind := range []struct {
		name string
		is   bool
	}{
		{"a loopback address", a.IsLoopback() || a.Is4In6() && a.Unmap().IsLoopback()},
		{"a link-local address", a.IsLinkLocalUnicast()},
		{"a multicast address", a.IsMulticast()},
		{"no address of a host", a.IsUnspecified() || a.Is4In6() || a.Is4() && (a.As4()[0] == 0 || a.As4()[0] >= 240)},
		{"in the gateway's own network", g.own(a)},
		{"prohibited by the settings", g.o.Refuse != nil && g.o.Refuse(dst)},
	} {
		if kind.is {
			return dst, fmt.Errorf("%w: it is %s", errProhibited, kind.name)
		}
	}
	return dst, nil
}

// own reports whether a is in a network of the stack's addresses. Packets to it would come back.
func (g *Gateway) own(a netip.Addr) bool {
	for _, p := range g.stack.Addresses() {
		if p.Contains(a) {
			return true
		}
	}
	return false
}
