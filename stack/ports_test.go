package stack

import (
	"net/netip"
	"testing"
)

// RFC 6056's algorithm 3: every port once before one comes again, and not in order.
func TestEphemeralPorts(t *testing.T) {
	p := newPorts(1000, 1999, [32]byte{1})
	offset := p.offset(addressesA[0].Addr(), netip.MustParseAddrPort("10.77.0.2:80"))
	if other := p.offset(addressesA[0].Addr(), netip.MustParseAddrPort("10.77.0.2:81")); other == offset {
		t.Error("the same offset for another destination")
	}
	seen := make(map[uint16]bool)
	for range p.count() {
		port := p.candidate(offset)
		if port < 1000 || port > 1999 || seen[port] {
			t.Fatalf("port %d", port)
		}
		seen[port] = true
	}
}
