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
