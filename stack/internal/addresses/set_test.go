package addresses

import (
	"net/netip"
	"testing"
)

func prefixes(list ...string) (p []netip.Prefix) {
	for _, s := range list {
		p = append(p, netip.MustParsePrefix(s))
	}
	return p
}

// Shows: MUST-44.
func TestSourceFor(t *testing.T) {
	o := NewSet(prefixes("10.77.0.2/24", "192.168.1.2/16", "10.0.0.2/8", "fe80::2/64", "fd77::2/64", "2001:db8::2/64"))
	for remote, want := range map[string]string{
		"10.77.0.9":    "10.77.0.2",
		"10.78.0.9":    "10.0.0.2",
		"192.168.77.1": "192.168.1.2",
		"193.0.0.1":    "192.168.1.2", // the most in common
		"fd77::9":      "fd77::2",
		"2001:db9::1":  "2001:db8::2",
		"fe80::9":      "fe80::2",
		"fc00::1":      "fd77::2",
	} {
		got, ok := o.SourceFor(netip.MustParseAddr(remote))
		if !ok || got.String() != want {
			t.Errorf("to %s from %v, want %s", remote, got, want)
		}
	}
	if _, ok := NewSet(prefixes("10.77.0.1/24")).SourceFor(netip.MustParseAddr("fd77::9")); ok {
		t.Error("an IPv4 address for an IPv6 destination")
	}
}

func TestClass(t *testing.T) {
	o := NewSet(prefixes("10.77.0.2/24", "10.88.0.0/31", "10.99.0.255/24", "fd77::2/64"))
	for a, want := range map[string]Class{
		"10.77.0.255": Group, "255.255.255.255": Group, "224.0.0.1": Group, "0.0.0.0": Group, "::": Group, "ff02::1": Group,
		"10.77.0.1": 0, "10.88.0.1": 0, "fd77::ffff": 0,
		"10.77.0.2": Own, "10.88.0.0": Own, "fd77::2": Own,
		"10.99.0.255": Own | Group,
	} {
		if got := o.Class(netip.MustParseAddr(a)); got != want {
			t.Errorf("the class of %s is %b, want %b", a, got, want)
		}
		if got := o.Contains(netip.MustParseAddr(a)); got != want.Has(Own) {
			t.Errorf("Contains(%s) is %v", a, got)
		}
	}
}
