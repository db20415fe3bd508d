package seq

import (
	"net/netip"
	"testing"
	"time"

	"minitcp/conn/clock"
)

// Shows: MUST-8, MUST-9, SHLD-1.
func TestISN(t *testing.T) {
	secret := [32]byte{1}
	a, b := netip.MustParseAddrPort("10.77.0.1:1"), netip.MustParseAddrPort("10.77.0.2:2")
	iss, ts := ISN(0, &secret, a, b)
	later, ts2 := ISN(clock.Time(4*time.Second), &secret, a, b)
	if later-iss != 1e6 || ts != ts2 {
		t.Errorf("after 4 s the ISN has moved by %d, want 1000000; timestamps by %d", later-iss, ts2-ts)
	}
	if other, _ := ISN(0, &secret, a, netip.MustParseAddrPort("10.77.0.2:3")); other == iss {
		t.Error("another port has the same ISN")
	}
	secret[0]++
	if other, _ := ISN(0, &secret, a, b); other == iss {
		t.Error("another secret gives the same ISN")
	}
}

// For one pair of addresses the ISN increments with the clock, by one in 4 microseconds, and wraps (RFC 9293 3.4.1,
// RFC 6528 3).
//
// Shows: MUST-8.
func TestISNFollowsTheClock(t *testing.T) {
	secret := [32]byte{7}
	a, b := netip.MustParseAddrPort("[fd77::1]:80"), netip.MustParseAddrPort("[fd77::2]:4000")
	first, offset := ISN(0, &secret, a, b)
	for now := clock.Time(0); now < clock.Time(12*time.Hour); now = now.Add(13 * time.Minute) {
		iss, again := ISN(now, &secret, a, b)
		if want := uint32(now / 4000); iss-first != want || again != offset {
			t.Fatalf("at %v it has moved by %d, want %d", time.Duration(now), iss-first, want)
		}
	}
	type numbers struct{ iss, offset uint32 }
	seen := []numbers{{first, offset}}
	for _, other := range []struct{ local, remote string }{
		{"[fd77::2]:4000", "[fd77::1]:80"}, {"[fd77::1]:81", "[fd77::2]:4000"}, {"[fd77::3]:80", "[fd77::2]:4000"},
		{"10.77.0.1:80", "10.77.0.2:4000"}, {"[fd77::1]:4000", "[fd77::2]:80"},
	} {
		iss, offset := ISN(0, &secret, netip.MustParseAddrPort(other.local), netip.MustParseAddrPort(other.remote))
		for _, s := range seen {
			if s.iss == iss || s.offset == offset || iss == offset {
				t.Errorf("%v has numbers of another", other)
			}
		}
		seen = append(seen, numbers{iss, offset})
	}
}
