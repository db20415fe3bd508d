//go:build linux

package gateway

import (
	"net/netip"
	"strings"
	"testing"
)

func TestParseRule(t *testing.T) {
	for _, test := range []struct{ text, want string }{
		{"direct", "direct"},
		{"reject", "reject"},
		{"socks5://127.0.0.1", "socks5://127.0.0.1"},
		{"socks5://me:a=b@127.0.0.1:9", "socks5://me:xxxxx@127.0.0.1:9"},
		{"http://[::1]:8080/", "http://[::1]:8080/"},
		{"http://proxy.example", "http://proxy.example"},
		{"10.0.0.0/8=direct", "10.0.0.0/8=direct"},
		{"10.1.2.3=reject", "10.1.2.3/32=reject"},
		{"fd00::/8=socks5://h:1", "fd00::/8=socks5://h:1"},
		{"0.0.0.0/0=socks5://u:p=q@h", "0.0.0.0/0=socks5://u:xxxxx@h"},
	} {
		r, err := ParseRule(test.text)
		if err != nil || r.String() != test.want {
			t.Errorf("%s: %v, %v; want %s", test.text, r, err, test.want)
		}
	}
	for text, want := range map[string]string{
		"":                  "not direct",
		"proxy:1080":        "not direct",
		"socks4://h:1":      "socks4",
		"https://h:1":       "choose socks5 or http",
		"socks5://h:0":      `"0" is not a port`,
		"socks5://h:65536":  `"65536" is not a port`,
		"socks5://:1080":    "host is missing",
		"socks5://h:1/path": "no path",
		"http://h:1?query":  "no path",
		"socks5://:p@h":     "1 to 255 bytes",
		"socks5://" + strings.Repeat("u", 256) + ":p@h": "1 to 255 bytes",
		"10.0.0.0/33=direct":                            "not a network",
		"10.0.0.1/8=direct":                             "10.0.0.0/8",
		"::ffff:10.0.0.0/104=direct":                    "not a network",
		"fe80::1%eth0=direct":                           "not a network",
		"example.org=direct":                            "not a network",
		"10.0.0.0/8=":                                   "not direct",
	} {
		if r, err := ParseRule(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, %v; want an error with %q", text, r, err, want)
		}
	}
}

// The rule with the longest prefix holds, whatever the order. Without a rule, destinations are direct.
func TestLongestPrefix(t *testing.T) {
	var list []Rule
	for _, s := range []string{"socks5://all", "10.0.0.0/8=socks5://eight", "10.1.0.0/16=direct", "10.1.2.3=reject", "fd00::/8=http://six"} {
		list = append(list, mustRule(t, s))
	}
	for range list {
		list = append(list[1:], list[0])
		for to, want := range map[string]string{
			"192.0.2.1": "socks5://all", "10.9.9.9": "socks5://eight", "10.1.9.9": "direct", "10.1.2.3": "reject",
			"fd00::1": "http://six", "2001:db8::1": "socks5://all",
		} {
			if got := newRules(list).outbound(netip.MustParseAddr(to)).String(); got != want {
				t.Errorf("%s goes to %s, want %s", to, got, want)
			}
		}
	}
	if got := newRules(list[:0]).outbound(netip.MustParseAddr("192.0.2.1")); got != Direct {
		t.Errorf("without rules: %v", got)
	}
}

// Addresses of the gateway's host and network are prohibited, except for those that Rewrite has chosen.
func TestTarget(t *testing.T) {
	f := newFixture(t, Options{Refuse: func(a netip.AddrPort) bool { return a.Port() == 25 }})
	for to, permitted := range map[string]bool{
		"192.0.2.1:80": true, "[2001:db8::1]:80": true, "10.78.0.1:80": true, "198.18.0.1:80": true, "198.18.0.1:25": true,
		"192.0.2.1:25": false, "127.0.0.1:80": false, "127.255.0.1:80": false, "[::1]:80": false, "0.0.0.0:80": false, "0.1.2.3:80": false,
		"[::]:80": false, "169.254.169.254:80": false, "[fe80::1]:80": false, "224.0.0.251:5353": false, "[ff02::fb]:5353": false,
		"255.255.255.255:67": false, "240.0.0.1:80": false, "10.77.0.9:80": false, "[fd77::9]:80": false,
		"[::ffff:127.0.0.1]:80": false, "[::ffff:192.0.2.1]:80": false,
	} {
		if _, err := f.gateway.target(netip.MustParseAddrPort(to)); (err == nil) != permitted {
			t.Errorf("%s: %v, want permitted %v", to, err, permitted)
		}
	}
	// A port without a service is refused, as without a gateway.
	for _, to := range []string{"10.77.0.2:80", "[fd77::2]:80"} {
		if _, err := f.gateway.target(netip.MustParseAddrPort(to)); err == nil || verdictOf(err) != refused {
			t.Errorf("%s, an address of the gateway: %v, want one with the verdict refused", to, err)
		}
	}
}
