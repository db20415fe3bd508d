package wire

import (
	"net/netip"
	"testing"
)

// Every codepoint gets into a header and out of it, and leaves the DSCP beside it alone.
func TestECN(t *testing.T) {
	names := []string{"Not-ECT", "ECT(1)", "ECT(0)", "CE"}
	for _, addr := range []string{"10.0.0.1", "2001:db8::1"} {
		for e := NotECT; e <= CE; e++ {
			ip := IP{Src: netip.MustParseAddr(addr), Dst: netip.MustParseAddr(addr), Protocol: ProtocolTCP, HopLimit: 9, TrafficClass: 46<<2 | 1}
			ip.SetECN(e)
			b := make([]byte, 60)
			PutIP(b, &ip, 0)
			var got IP
			if _, err := ParseIP(b, &got); err != nil {
				t.Fatal(err)
			}
			if got.ECN() != e || got.TrafficClass>>2 != 46 || e.String() != names[e] {
				t.Errorf("%v (%v): traffic class %#x, %v", addr, e, got.TrafficClass, got.ECN())
			}
		}
	}
}

// A router's mark changes one field, and the checksum stays right, whatever it was.
func TestMarkCE(t *testing.T) {
	for _, addr := range []string{"10.0.0.1", "2001:db8::1"} {
		for class := range 256 {
			// The hop limit and the length bring the checksum past every carry.
			for n := range 40 {
				ip := IP{Src: netip.MustParseAddr(addr), Dst: netip.MustParseAddr(addr), Protocol: ProtocolTCP,
					HopLimit: uint8(n * 37), TrafficClass: uint8(class)}
				b := make([]byte, 40+2000)
				size := PutIP(b, &ip, n*47) + n*47
				marked := MarkCE(b[:size])
				var got IP
				if _, err := ParseIP(b[:size], &got); err != nil {
					t.Fatalf("class %#x: %v", class, err)
				}
				want := ip
				want.HeaderLen = got.HeaderLen
				if ip.ECN() != NotECT {
					want.SetECN(CE)
				}
				if marked != (ip.ECN() != NotECT) || got != want {
					t.Fatalf("marked %v: %+v, want %+v", marked, got, want)
				}
			}
		}
	}
	for _, b := range [][]byte{nil, {0x45}, make([]byte, 40)} {
		if MarkCE(b) {
			t.Errorf("%x is marked", b)
		}
	}
}
