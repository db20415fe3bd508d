package stack

import "testing"

func TestParseAddress(t *testing.T) {
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
		got, err := parseAddress(t.Context(), c.network, c.address)
		if c.want == "" {
			if err == nil {
				t.Errorf("%s %q: %v, want an error", c.network, c.address, got)
			}
			continue
		}
		if err != nil || got.String() != c.want {
			t.Errorf("%s %q: %v, %v; want %v", c.network, c.address, got, err, c.want)
		}
	}
}
