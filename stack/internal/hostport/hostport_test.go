package hostport

import (
	"errors"
	"net"
	"net/netip"
	"testing"
)

func TestParse(t *testing.T) {
	for _, c := range []struct{ network, address, want string }{
		{"tcp", "10.0.0.1:80", "10.0.0.1:80"},
		{"tcp", "[fd77::2]:http", "[fd77::2]:80"},
		{"tcp", "[fe80::1%eth0]:80", "[fe80::1]:80"},
		{"tcp", "[::ffff:10.0.0.1]:80", "10.0.0.1:80"},
		{"tcp", ":80", "invalid AddrPort"},
		{"tcp", ":http-of-the-moon", ""},
		{"tcp", ":65536", ""},
		{"tcp", ":-1", ""},
		{"tcp4", "[fd77::2]:80", ""},
		{"tcp6", "10.0.0.1:80", ""},
		{"udp", "10.0.0.1:80", ""},
		{"tcp", "localhost:80", ""},
		{"tcp", "10.0.0.1", ""},
		{"tcp", "", ""},
	} {
		parse := func(network string) (netip.AddrPort, error) { return ParseTCP(t.Context(), network, c.address) }
		udp := map[string]string{"tcp": "udp", "tcp4": "udp4", "tcp6": "udp6", "udp": "tcp"}[c.network]
		for i, parse := range []func(string) (netip.AddrPort, error){parse, func(n string) (netip.AddrPort, error) { return ParseUDP(n, c.address) }} {
			network := []string{c.network, udp}[i]
			got, err := parse(network)
			if c.want == "" {
				if err == nil {
					t.Errorf("%s %q: %v, want an error", network, c.address, got)
				}
				continue
			}
			if err != nil || got.String() != c.want {
				t.Errorf("%s %q: %v, %v; want %v", network, c.address, got, err, c.want)
			}
		}
	}
}

// The error names the problem.
func TestParseErrors(t *testing.T) {
	var family *net.AddrError
	if _, err := ParseUDP("udp4", "[fd77::2]:53"); !errors.As(err, &family) || family.Err != "not an address of network udp4" {
		t.Errorf("an address of the other family: %v", err)
	}
	var network net.UnknownNetworkError
	if _, err := ParseUDP("tcp", "10.0.0.1:53"); !errors.As(err, &network) || network != "tcp" {
		t.Errorf("a network of TCP: %v", err)
	}
}

func TestName(t *testing.T) {
	for _, c := range []struct {
		address, host string
		port          uint16
	}{
		{"www.example:443", "www.example", 443}, {"www.example:http", "www.example", 80},
		{"10.0.0.1:80", "", 0}, {"[fd77::2]:80", "", 0}, {":80", "", 0}, {"www.example", "", 0}, {"www.example:65536", "", 0},
	} {
		if host, port, ok := Name(t.Context(), "tcp", c.address); ok != (c.host != "") || ok && (host != c.host || port != c.port) {
			t.Errorf("%q: host %q, port %d, a name: %v; want %q, %d", c.address, host, port, ok, c.host, c.port)
		}
	}
}

func TestUnmapped(t *testing.T) {
	for in, want := range map[string]string{"[::ffff:10.0.0.1]:80": "10.0.0.1:80", "[fe80::1%eth0]:1": "[fe80::1]:1", "10.0.0.1:2": "10.0.0.1:2"} {
		if got := Unmapped(netip.MustParseAddrPort(in)); got.String() != want {
			t.Errorf("%s: %v, want %s", in, got, want)
		}
	}
}
