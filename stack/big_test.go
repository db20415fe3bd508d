package stack

import (
	"net/netip"
	"syscall"
	"testing"

	"minitcp/conn"
)

// bigDevice takes frames of 256 KiB.
type bigDevice struct{ nullDevice }

func (*bigDevice) MaxFrame() int { return 256 << 10 }

// plainDevice takes no superframes.
type plainDevice struct{ bigDevice }

func (*plainDevice) Offloads() bool { return false }

// How much a frame may hold depends on the device, on the IP version, on whether somebody looks, and for a while on whether
// such a frame was refused.
func TestFrameLimit(t *testing.T) {
	const big = conn.Superframe + 256<<10 - MaxFrame
	ip4, ip6 := addressOf(netip.MustParseAddr("10.77.0.1")), addressOf(netip.MustParseAddr("fd77::1"))
	for _, c := range []struct {
		name     string
		device   Device
		tapped   bool
		ip4, ip6 int
	}{
		{"no superframes", &plainDevice{}, false, 0, 0},
		{"superframes", &nullDevice{}, false, conn.Superframe, conn.Superframe},
		{"big ones", &bigDevice{}, false, big, conn.Superframe},
		{"big ones and a tap", &bigDevice{}, true, conn.Superframe, conn.Superframe},
	} {
		l := newFrameLimit(c.device, c.tapped)
		if a, b := l.of(0, ip4), l.of(0, ip6); a != c.ip4 || b != c.ip6 {
			t.Errorf("%s: %d over IPv4 and %d over IPv6, want %d and %d", c.name, a, b, c.ip4, c.ip6)
		}
	}

	l := newFrameLimit(&bigDevice{}, false)
	const now = conn.Time(5e9)
	l.refused(now, [][]byte{make([]byte, 100), make([]byte, MaxFrame-100)})
	if got := l.of(now, ip4); got != big {
		t.Errorf("after a usual frame was refused the limit is %d", got)
	}
	l.refused(now, [][]byte{make([]byte, 100), make([]byte, MaxFrame-99)})
	for _, then := range []struct {
		at   conn.Time
		want int
	}{{now, conn.Superframe}, {now.Add(bigPause) - 1, conn.Superframe}, {now.Add(bigPause), big}} {
		if got := l.of(then.at, ip4); got != then.want {
			t.Errorf("%v after a big one was refused the limit is %d, want %d", then.at.Sub(now), got, then.want)
		}
	}

	// Those that were on their way count as one; the next makes it wait for twice as long.
	l.refused(now.Add(bigPause/2), [][]byte{make([]byte, MaxFrame+1)})
	again := now.Add(bigPause)
	l.refused(again, [][]byte{make([]byte, MaxFrame+1)})
	if end := again.Add(2 * bigPause); l.of(end-1, ip4) != conn.Superframe || l.of(end, ip4) != big {
		t.Errorf("the second pause ends at %v, want %v", l.from.Load(), end)
	}
}

// A frame that the device refuses is told to the limit.
func TestRefusedFrame(t *testing.T) {
	l := newLone(t, Config{})
	l.s.limit.big = 256 << 10
	w := newWriter()
	w.parts = append(w.parts, make([]byte, 100<<10))
	l.d.err = syscall.ENOBUFS
	l.s.writeFrame(w, 0, conn.Closed)
	if got := l.s.limit.of(l.s.clock.now(), addressOf(netip.MustParseAddr("10.77.0.1"))); got != conn.Superframe {
		t.Errorf("the limit is %d, want %d", got, conn.Superframe)
	}
}
