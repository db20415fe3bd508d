//go:build linux

package main

import (
	"net/netip"
	"slices"
	"testing"
)

// The name servers of the host have addresses of their own inside. The search list and the options stay.
func TestResolvConf(t *testing.T) {
	const note = "# Made by minitcp run: these addresses stand for the name servers of the host.\n"
	for _, test := range []struct {
		host, inside string
		servers      []string // behind 10.77.0.53 and the addresses after it
	}{
		{"", "nameserver 10.77.0.53\n", []string{"127.0.0.1"}},
		{"nameserver 127.0.0.53\noptions edns0 trust-ad\nsearch home example.org\n",
			"nameserver 10.77.0.53\noptions edns0 trust-ad\nsearch home example.org\n", []string{"127.0.0.53"}},
		{"# comment\n; comment\nnameserver 192.0.2.1\nnameserver\t2001:db8::1 \nnameserver fe80::1%eth0\nnameserver 192.0.2.4",
			"nameserver 10.77.0.53\nnameserver 10.77.0.54\nnameserver 10.77.0.55\n", []string{"192.0.2.1", "2001:db8::1", "fe80::1%eth0"}},
		{"nameserver here\nnameserver\nsearch\nsortlist 130.155.0.0\nunknown line\n", "nameserver 10.77.0.53\nsortlist 130.155.0.0\n", []string{"127.0.0.1"}},
	} {
		n := parseResolvConf(test.host)
		if got := n.resolvConf(); got != note+test.inside {
			t.Errorf("%q becomes %q, want %q", test.host, got, note+test.inside)
		}
		a := firstNameServer
		for _, want := range test.servers {
			if got, ok := n.serverFor(netip.AddrPortFrom(a, 53)); !ok || got.Addr().String() != want || got.Port() != 53 {
				t.Errorf("%q: %v stands for %v, %v; want %s", test.host, a, got, ok, want)
			}
			a = a.Next()
		}
		if got, ok := n.serverFor(netip.AddrPortFrom(a, 53)); ok {
			t.Errorf("%q: %v stands for %v", test.host, a, got)
		}
		if got, ok := n.serverFor(netip.AddrPortFrom(firstNameServer, 54)); ok {
			t.Errorf("port 54 stands for %v", got)
		}
	}
}

func TestPublishFlag(t *testing.T) {
	v4, v6 := netip.MustParseAddr("0.0.0.0"), netip.MustParseAddr("::")
	for text, want := range map[string]publication{
		"8080:80":         {host: 8080, inside: 80},
		"8080:80/tcp":     {host: 8080, inside: 80},
		"5300:53/udp":     {host: 5300, inside: 53, udp: true},
		"0.0.0.0:8080:80": {address: v4, host: 8080, inside: 80},
		"[::]:8080:80":    {address: v6, host: 8080, inside: 80},
		":::8080:80":      {address: v6, host: 8080, inside: 80},
	} {
		var l publishList
		want.text = text
		if err := l.Set(text); err != nil || len(l.list) != 1 || l.list[0] != want || l.String() != text {
			t.Errorf("%s: %+v, %v; want %+v", text, l.list, err, want)
		}
	}
	if got := (&publication{}).addresses(); len(got) != 2 || !got[0].IsLoopback() || !got[1].IsLoopback() {
		t.Errorf("without ADDRESS it is published at %v", got)
	}
}

// The host's name servers and loopback addresses are reached directly, whatever the way of everything else.
func TestRunRules(t *testing.T) {
	var o runOptions
	if err := o.via.Set("socks5://192.0.2.1"); err != nil {
		t.Fatal(err)
	}
	if err := o.via.Set("reject"); err == nil {
		t.Error("there are two ways for all destinations")
	}
	rules := o.rules(parseResolvConf("nameserver 192.0.2.53"))
	var texts []string
	for _, r := range rules {
		texts = append(texts, r.String())
	}
	want := []string{"socks5://192.0.2.1", "192.0.2.53/32=direct", "127.0.0.1/32=direct", "::1/128=direct"}
	if !slices.Equal(texts, want) {
		t.Errorf("the rules are %q, want %q", texts, want)
	}
}
