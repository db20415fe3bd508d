package wire

import (
	"net/netip"
	"testing"
)

func TestNamesNetwork(t *testing.T) {
	for prefix, want := range map[string]bool{
		"10.77.0.0/24": true, "10.77.0.255/24": true, "10.77.0.1/24": false, "10.77.0.254/24": false,
		"10.77.0.255/16": false, "10.77.255.255/16": true,
		"10.77.0.4/30": true, "10.77.0.7/30": true, "10.77.0.6/30": false,
		"10.77.0.0/31": false, "10.77.0.1/31": false, "10.77.0.0/32": false,
		"255.255.255.255/32": true, "255.255.255.255/0": true, "10.0.0.1/0": false,
		"fd77::/64": true, "fd77::1/64": false, "fd77::ffff:ffff:ffff:ffff/64": false,
		"fd77::/126": true, "fd77::/127": false, "fd77::/128": false,
	} {
		if got := NamesNetwork(netip.MustParsePrefix(prefix)); got != want {
			t.Errorf("NamesNetwork(%s) is %v, want %v", prefix, got, want)
		}
	}
}

func TestSource(t *testing.T) {
	for address, want := range map[string]string{
		"192.0.2.7": "192.0.2.7", "2001:db8:1:2:3:4:5:6": "2001:db8:1:2::", "fe80::1": "fe80::", "::ffff:192.0.2.7": "::",
	} {
		if got := Source(netip.MustParseAddr(address)); got != netip.MustParseAddr(want) {
			t.Errorf("%s: %v, want %s", address, got, want)
		}
	}
}
