package ports

import (
	"net/netip"
	"testing"
)

// RFC 6056's algorithm 3: every port once before one comes again, from an offset that depends on the destination and
// the secret.
func TestEphemeralPorts(t *testing.T) {
	p := NewEphemeral(1000, 1999, [32]byte{1})
	local, remote := netip.MustParseAddr("10.77.0.1"), netip.MustParseAddrPort("10.77.0.2:80")
	offset := p.Offset(local, remote)
	if other := p.Offset(local, netip.MustParseAddrPort("10.77.0.2:81")); other == offset {
		t.Error("the same offset for another destination")
	}
	if other := NewEphemeral(1000, 1999, [32]byte{2}).Offset(local, remote); other == offset {
		t.Error("the same offset with another secret")
	}
	seen := make(map[uint16]bool)
	for range p.Count() {
		port := p.Candidate(offset)
		if port < 1000 || port > 1999 || seen[port] {
			t.Fatalf("port %d", port)
		}
		seen[port] = true
	}
}

// Bind tries each port of the range while the port is 0, and otherwise only the one that is given.
func TestBind(t *testing.T) {
	e := NewEphemeral(100, 109, [32]byte{})
	for _, test := range []struct {
		port, free, want uint16
		tries            int
	}{{0, 105, 105, 6}, {0, 50, 109, 10}, {7, 7, 7, 1}, {7, 8, 7, 1}} {
		binds := []netip.AddrPort{netip.AddrPortFrom(Wildcard(true), test.port), netip.AddrPortFrom(Wildcard(false), test.port)}
		port, tries := uint16(99), 0
		ok := e.Bind(binds, func() uint16 { port++; return port }, func() bool {
			tries++
			return binds[0].Port() == test.free && binds[1].Port() == test.free
		})
		if ok != (test.free == test.want) || tries != test.tries || binds[0].Port() != test.want || binds[1].Port() != test.want {
			t.Errorf("port %d with %d free: %v after %d tries with %v, want port %d after %d", test.port, test.free, ok, tries, binds, test.want, test.tries)
		}
	}
}
