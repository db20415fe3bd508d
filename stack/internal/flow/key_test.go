package flow

import (
	"net/netip"
	"testing"
)

// The hash spreads neighbours: no bucket of a full table is much fuller than chance makes it.
func TestHashSpreads(t *testing.T) {
	s := NewSeed()
	const buckets = 1 << 12
	var load [buckets]int
	for i := range buckets {
		k := KeyOf(netip.MustParseAddr("10.77.0.2"), netip.AddrFrom4([4]byte{10, 0, byte(i >> 8), byte(i)}), 80, uint16(i))
		load[k.Hash(&s)%buckets]++
	}
	for i, n := range load {
		if n > 12 { // of 4096 in 4096: more than 12 has a chance below 1e-6
			t.Fatalf("%d keys in bucket %d", n, i)
		}
	}
}

func TestKey(t *testing.T) {
	for _, c := range []struct{ local, remote string }{
		{"10.77.0.2:80", "10.77.0.1:65535"}, {"[fd77::2]:80", "[fd77::1]:1"}, {"[::]:0", "0.0.0.0:0"},
	} {
		local, remote := netip.MustParseAddrPort(c.local), netip.MustParseAddrPort(c.remote)
		k := KeyOf(local.Addr(), remote.Addr(), local.Port(), remote.Port())
		if k.LocalAddr() != local || k.RemoteAddr() != remote {
			t.Errorf("%v %v became %v %v", local, remote, k.LocalAddr(), k.RemoteAddr())
		}
	}
}
