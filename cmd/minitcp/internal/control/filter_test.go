//go:build linux

package control

import (
	"net/netip"
	"strings"
	"testing"

	"minitcp/conn"
)

func TestFilter(t *testing.T) {
	v4 := [2]netip.AddrPort{netip.MustParseAddrPort("10.77.0.2:80"), netip.MustParseAddrPort("10.77.0.1:40000")}
	v6 := [2]netip.AddrPort{netip.MustParseAddrPort("[fd77::2]:443"), netip.MustParseAddrPort("[fd77::1]:50000")}
	for _, test := range []struct {
		filter string
		want4  bool
		want6  bool
	}{
		{"", true, true},
		{"src 10.77.0.2", true, false},
		{"src = 10.77.0.2", true, false},
		{"src == 10.77.0.2:80", true, false},
		{"src 10.77.0.2:81", false, false},
		{"dst 10.0.0.0/8", true, false},
		{"dst 10.77.0.99/24", true, false},
		{"dst 10.77.0.0/24:40000", true, false},
		{"dst fd77::/16", false, true},
		{"dst [fd77::1]:50000", false, true},
		{"dst [fd77::]/16:50000", false, true},
		{"dst [fd77::1]", false, true},
		{"dst *", true, true},
		{"dst *:50000", false, true},
		{"dst :40000", true, false},
		{"dst 10.77.0.1:*", true, false},
		{"sport = :80", true, false},
		{"sport :80", true, false},
		{"sport 80", true, false},
		{"sport eq 80", true, false},
		{"sport != :80", false, true},
		{"sport!=80", false, true},
		{"dport > :40000", false, true},
		{"dport >= 40000", true, true},
		{"dport gt 40000", false, true},
		{"dport lt :50000", true, false},
		{"dport <= :50000", true, true},
		{"sport = 80 or sport = 443", true, true},
		{"sport = 80 | sport = 443", true, true},
		{"sport = 80 || sport = 443", true, true},
		{"sport = 80 and dport = 40000", true, false},
		{"sport = 80 dport = 40000", true, false},
		{"sport = 80 & dport = 1", false, false},
		{"sport = 80 && dport = 1", false, false},
		{"not sport = 80", false, true},
		{"! sport = 80", false, true},
		{"not not sport = 80", true, false},
		{"not ( sport = 80 or sport = 443 )", false, false},
		{"(sport=80 or sport=443)and dst fd77::/16", false, true},
		{"sport = 443 or sport = 80 and dport = 1", false, false},
		{"state established sport = 80", true, false},
		{"state time-wait", false, false},
		{"exclude established", false, false},
		{"state all exclude time-wait", true, true},
		{"state syn-sent state established", true, true},
		{"state connected sport = 80", true, false},
	} {
		f, err := ParseFilter(test.filter, false)
		if err != nil {
			t.Errorf("%q: %v", test.filter, err)
			continue
		}
		if got := f.Match(conn.Established, v4[0], v4[1]); got != test.want4 {
			t.Errorf("%q selects the IPv4 connection: %v, want %v", test.filter, got, test.want4)
		}
		if got := f.Match(conn.Established, v6[0], v6[1]); got != test.want6 {
			t.Errorf("%q selects the IPv6 connection: %v, want %v", test.filter, got, test.want6)
		}
	}
}

func TestFilterStates(t *testing.T) {
	for _, test := range []struct {
		filter string
		all    bool
		want   string
	}{
		{"", false, "SYN-SENT ESTABLISHED FIN-WAIT-1 FIN-WAIT-2 CLOSE-WAIT CLOSING LAST-ACK"},
		{"", true, "CLOSED LISTEN SYN-SENT SYN-RECEIVED ESTABLISHED FIN-WAIT-1 FIN-WAIT-2 CLOSE-WAIT CLOSING LAST-ACK TIME-WAIT"},
		{"state bucket", false, "SYN-RECEIVED TIME-WAIT"},
		{"state bucket exclude syn-recv", true, "TIME-WAIT"},
		{"state synchronized", false, "SYN-RECEIVED ESTABLISHED FIN-WAIT-1 FIN-WAIT-2 CLOSE-WAIT CLOSING LAST-ACK TIME-WAIT"},
		{"state closing state last-ack", false, "CLOSING LAST-ACK"},
	} {
		f, err := ParseFilter(test.filter, test.all)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for s := conn.Closed; s <= conn.TimeWait; s++ {
			if f.Match(s, netip.AddrPort{}, netip.AddrPort{}) {
				got = append(got, s.String())
			}
		}
		if text := strings.Join(got, " "); text != test.want {
			t.Errorf("%q, all %v: %s, want %s", test.filter, test.all, text, test.want)
		}
		if one := len(got) == 1; one != f.OneState() {
			t.Errorf("%q: OneState is %v", test.filter, f.OneState())
		}
	}
}

func TestFilterErrors(t *testing.T) {
	for filter, want := range map[string]string{
		"bogus":                        `"bogus"`,
		"dst":                          `"" is not an address`,
		"dst bogus":                    `"bogus" is not an address`,
		"dst 10.0.0.0/33":              "not an address",
		"dst fe80::1%eth0":             "not an address",
		"dst [fd77::1":                 "missing ]",
		"dst 10.0.0.1:x":               `"x" is not a port`,
		"sport = :bogus":               `"bogus" is not a port`,
		"sport = 65536":                "0 to 65535",
		"sport":                        "not a port",
		"state bogus":                  `"bogus" is not a state`,
		"state":                        "not a state",
		"sport = 80 state all":         "in front",
		"( sport = 80":                 "missing )",
		"sport = 80 )":                 `unexpected ")"`,
		"sport = 80 and":               "must follow",
		"not":                          "must follow",
		"or":                           `"or"`,
		strings.Repeat("( ", 1000):     "parentheses",
		strings.Repeat("not ", 1000):   "parentheses",
		strings.Repeat("dst *  ", 999): "bytes",
	} {
		if _, err := ParseFilter(filter, false); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.40q: %v, want an error with %s", filter, err, want)
		}
	}
}

func FuzzFilter(f *testing.F) {
	for _, s := range []string{"dst 10.0.0.0/8 and ( sport = :80 or dport >= 443 )", "state established exclude closing not src [::1]:1", "src*:1||!dst :2"} {
		f.Add(s)
	}
	local, remote := netip.MustParseAddrPort("10.77.0.2:80"), netip.MustParseAddrPort("[fd77::1]:50000")
	f.Fuzz(func(t *testing.T, s string) {
		filter, err := ParseFilter(s, false)
		if err != nil {
			return
		}
		got := filter.Match(conn.Established, local, remote)
		if negated, err := ParseFilter("not ( "+s+" )", false); err == nil {
			if filter.match != nil && filter.states == defaultStates && negated.Match(conn.Established, local, remote) == got {
				t.Errorf("%q and its negation are both %v", s, got)
			}
		}
	})
}
