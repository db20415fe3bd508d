package addresses

import (
	"net/netip"
	"strings"
	"testing"
)

func TestCheckPrefixes(t *testing.T) {
	good := netip.MustParsePrefix("10.0.0.0/8")
	for _, test := range []struct {
		p    netip.Prefix
		want string // "" for none
	}{
		{netip.MustParsePrefix("fd77::/64"), ""},
		{netip.Prefix{}, "zero value"},
		{netip.PrefixFrom(good.Addr(), 33), "10.0.0.0 has an impossible length"},
		{netip.MustParsePrefix("::ffff:10.0.0.0/104"), "::ffff:10.0.0.0/104 is an IPv4 prefix in IPv6 form"},
	} {
		err := CheckPrefixes([]netip.Prefix{good, test.p})
		if (err != nil) != (test.want != "") || err != nil && !strings.Contains(err.Error(), test.want) {
			t.Errorf("%v: %v, want %q", test.p, err, test.want)
		}
	}
}

func TestInAny(t *testing.T) {
	list := prefixes("10.0.0.0/8", "fd77::/64")
	for text, want := range map[string]bool{"10.1.2.3": true, "11.1.2.3": false, "fd77::5": true, "fd78::5": false, "::ffff:10.1.2.3": false} {
		if got := InAny(list, netip.MustParseAddr(text)); got != want {
			t.Errorf("%s is in %v: %v, want %v", text, list, got, want)
		}
	}
}
