package ports

import (
	"net/netip"
	"testing"

	"minitcp/stack/internal/ref"
)

// A connected owner comes before a bound one, and that before the one at all addresses. A connected owner gets nothing
// from other ends. A place that is taken is refused until its owner has been removed.
func TestRegistry(t *testing.T) {
	type owner struct{ name string }
	at := netip.MustParseAddrPort
	r := NewRegistry[owner]()
	add := func(name string, remote netip.AddrPort, binds ...string) Registration[owner] {
		var list []netip.AddrPort
		for _, b := range binds {
			list = append(list, at(b))
		}
		return r.Registration(ref.Strong(&owner{name}), list, remote)
	}
	places := map[string]Registration[owner]{}
	for _, test := range []struct {
		name   string
		remote netip.AddrPort
		binds  []string
		ok     bool
	}{
		{"all", netip.AddrPort{}, []string{"0.0.0.0:80", "[::]:80"}, true},
		{"taken by all", netip.AddrPort{}, []string{"10.0.0.1:80"}, false},
		{"bound", netip.AddrPort{}, []string{"10.0.0.1:81"}, true},
		{"all beside bound", netip.AddrPort{}, []string{"0.0.0.0:81"}, false},
		{"all of the other family", netip.AddrPort{}, []string{"[::]:81"}, true},
		{"connected", at("10.0.0.9:9"), []string{"10.0.0.2:81"}, true},
		{"second of an address", at("10.0.0.9:8"), []string{"10.0.0.2:81"}, false},
	} {
		n := add(test.name, test.remote, test.binds...)
		places[test.name] = n
		if got := n.Add(); got != test.ok {
			t.Errorf("Add of %s returns %v, want %v", test.name, got, test.ok)
		}
	}
	find := func(local, remote, want string) {
		t.Helper()
		got := ""
		if o := r.Find(at(local), at(remote)); o != nil {
			got = o.name
		}
		if got != want {
			t.Errorf("from %s to %s: found %q, want %q", remote, local, got, want)
		}
	}
	find("10.0.0.1:80", "10.0.0.9:9", "all")
	find("[fd00::1]:80", "[fd00::9]:9", "all")
	find("10.0.0.1:81", "10.0.0.9:9", "bound")
	find("10.0.0.3:81", "10.0.0.9:9", "")
	find("[fd00::1]:81", "[fd00::9]:9", "all of the other family")
	find("10.0.0.2:81", "10.0.0.9:9", "connected")
	find("10.0.0.2:81", "10.0.0.9:8", "")
	if o := r.FindConnected(at("10.0.0.2:81"), at("10.0.0.9:9")); o == nil || o.name != "connected" {
		t.Errorf("FindConnected returns %v", o)
	}
	if n := len(r.All()); n != 4 || r.Len() != 5 {
		t.Errorf("%d owners of %d places, want 4 of 5", n, r.Len())
	}
	places["second of an address"].Remove() // it has no place
	find("10.0.0.2:81", "10.0.0.9:9", "connected")
	for range 2 {
		for _, n := range places {
			n.Remove()
		}
	}
	if r.Len() != 0 || len(r.connected) != 0 || r.UsesPort(80) || r.UsesPort(81) {
		t.Errorf("%d places are left", r.Len())
	}
}
