package pcap

import (
	"encoding/binary"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"minitcp/conn/wire"
)

func TestFilter(t *testing.T) {
	other4 := netip.MustParseAddr("192.0.2.1")
	tcp := func(src, dst netip.Addr, srcPort, dstPort uint16) []byte {
		return segmentSpec{src: src, dst: dst, srcPort: srcPort, dstPort: dstPort, flags: wire.ACK, data: 3000}.frame()
	}
	in := tcp(theirs4, ours4, 40000, 80)
	out := tcp(ours4, theirs4, 80, 40000)
	elsewhere := tcp(other4, ours4, 40000, 443)
	six := tcp(theirs6, ours6, 40000, 80)
	ping := packetFrame(theirs4, ours4, wire.ProtocolICMP, make([]byte, 8))
	udp := packetFrame(theirs4, ours4, wire.ProtocolUDP, []byte{0, 80, 0, 80, 0, 8, 0, 0})
	short := in[:wire.VirtioHeaderLen+20+7]
	later := slices.Clone(in) // a fragment that is not the first; where the ports would be is data
	binary.BigEndian.PutUint16(later[wire.VirtioHeaderLen+6:], 100)
	extended := packetFrame(theirs6, ours6, 60, append([]byte{6, 0, 1, 4, 0, 0, 0, 0}, six[wire.VirtioHeaderLen+40:]...))
	all := map[string][]byte{"in": in, "out": out, "elsewhere": elsewhere, "six": six, "ping": ping, "udp": udp, "short": short,
		"later": later, "extended": extended, "empty": {}, "virtio": make([]byte, 10), "version": append(make([]byte, 10), 0x50)}

	for _, test := range []struct {
		terms []string
		want  string
	}{
		{nil, "in out elsewhere six ping udp short later extended empty virtio version"},
		{[]string{"port 80"}, "in out six extended"},
		{[]string{"port 40000"}, "in out elsewhere six extended"},
		{[]string{"port 443", "port 80"}, "in out elsewhere six extended"},
		{[]string{"port 81"}, ""},
		{[]string{"host 10.77.0.1"}, "in out ping udp short later"},
		{[]string{"host 10.77.0.2"}, "in out elsewhere ping udp short later"},
		{[]string{"host ::ffff:10.77.0.1"}, "in out ping udp short later"},
		{[]string{"host fd77::1"}, "six extended"},
		{[]string{"host fd77::1", "host 192.0.2.1"}, "elsewhere six extended"},
		{[]string{"host 10.77.0.2 port 443"}, "elsewhere"},
		{[]string{"port 80", "host 10.77.0.1  host fd77::3", "port 443"}, "in out"},
		{[]string{"host 10.77.0.3 port 80"}, ""},
	} {
		var f Filter
		for _, s := range test.terms {
			if err := f.Add(s); err != nil {
				t.Fatalf("%q: %v", s, err)
			}
		}
		want := strings.Fields(test.want)
		for name, b := range all {
			// A frame comes in pieces that end anywhere.
			for _, at := range []int{0, 1, 9, 10, 25, 33, 60, 300} {
				at = min(at, len(b))
				if f.matches([][]byte{b[:at], b[at:]}) != slices.Contains(want, name) {
					t.Errorf("%q: %s in pieces of %d and %d: passes: %v", test.terms, name, at, len(b)-at, !slices.Contains(want, name))
				}
			}
			if f.matches([][]byte{b}) != slices.Contains(want, name) {
				t.Errorf("%q: %s passes: %v", test.terms, name, !slices.Contains(want, name))
			}
		}
	}
	if f := (Filter{Ports: []uint16{0}}); f.matches([][]byte{ping}) || f.matches(nil) {
		t.Error("a packet without a port passes port 0")
	}
}

func TestFilterString(t *testing.T) {
	for _, test := range []struct{ terms, want string }{
		{"port 80", "tcp port 80"},
		{"port 80 port 443", "tcp port 80 or tcp port 443"},
		{"host fd77::1 host 10.77.0.1", "host fd77::1 or host 10.77.0.1"},
		{"port 80 host 10.77.0.1 port 443", "(host 10.77.0.1) and (tcp port 80 or tcp port 443)"},
	} {
		var f Filter
		if err := f.Add(test.terms); err != nil || f.String() != test.want {
			t.Errorf("%q: %q, %v; want %q", test.terms, f.String(), err, test.want)
		}
	}
	if s := (&Filter{}).String(); s != "" {
		t.Errorf("zero value: %q", s)
	}
}

func TestFilterErrors(t *testing.T) {
	for _, test := range []struct{ terms, want string }{
		{"", "empty"},
		{" ", "empty"},
		{"80", `"80"`},
		{"port", `"port" without a value`},
		{"port 80 host", `"host" without a value`},
		{"port 80 or port 443", `"or"`},
		{"port 0", "1 to 65535"},
		{"port 65536", "1 to 65535"},
		{"port http", `"http"`},
		{"port +80", `"+80"`},
		{"host minitcp", `invalid host "minitcp"`},
		{"host 10.77.0.0/24", "10.77.0.0/24"},
		{"host fe80::1%lo", "fe80::1%lo"},
		{"net 10.77.0.0/24", `"net"`},
		{"host 10.77.0.1 port x", `"x"`},
	} {
		f := Filter{Ports: []uint16{7}}
		if err := f.Add(test.terms); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%q: %v, want an error with %q", test.terms, err, test.want)
		}
		if f.String() != "tcp port 7" {
			t.Errorf("%q: the filter has become %v", test.terms, f.String())
		}
	}
}
