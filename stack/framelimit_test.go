package stack

import (
	"net/netip"
	"syscall"
	"testing"

	"minitcp/conn"
	"minitcp/stack/internal/flow"
	"minitcp/stack/internal/table"
)

// bigDevice takes frames of 256 KiB.
type bigDevice struct{ nullDevice }

func (*bigDevice) MaxFrame() int { return 256 << 10 }

// plainDevice takes no superframes.
type plainDevice struct{ bigDevice }

func (*plainDevice) Offloads() bool { return false }

// The limit depends on the device, the IP version, a Tap, whether the peer is near, and for a while on whether the
// device has refused a frame larger than a packet.
func TestFrameLimit(t *testing.T) {
	const big = superframe + 256<<10 - MaxFrame
	to := func(remote string, near bool) *entry {
		return &entry{Node: table.Node[entry]{Key: flow.KeyOf(addressesA[0].Addr(), netip.MustParseAddr(remote), 1, 2)}, near: near}
	}
	ip4, ip6, far := to("10.77.0.1", true), to("fd77::1", true), to("10.78.0.1", false)
	for _, c := range []struct {
		name          string
		device        Device
		tapped        bool
		ip4, ip6, far int
	}{
		{"no superframes", &plainDevice{}, false, 0, 0, 0},
		{"superframes", &nullDevice{}, false, superframe, superframe, superframe},
		{"frames larger than a packet", &bigDevice{}, false, big, superframe, superframe},
		{"those, and a Tap", &bigDevice{}, true, superframe, superframe, superframe},
	} {
		l := newFrameLimit(c.device, func() bool { return c.tapped })
		if a, b, f := l.of(0, ip4), l.of(0, ip6), l.of(0, far); a != c.ip4 || b != c.ip6 || f != c.far {
			t.Errorf("%s: %d over IPv4, %d over IPv6, %d far away, want %d, %d, %d", c.name, a, b, f, c.ip4, c.ip6, c.far)
		}
	}

	l := newFrameLimit(&bigDevice{}, func() bool { return false })
	const now = conn.Time(5e9)
	l.refused(now, [][]byte{make([]byte, 100), make([]byte, MaxFrame-100)})
	if got := l.of(now, ip4); got != big {
		t.Errorf("after a usual frame was refused the limit is %d", got)
	}
	l.refused(now, [][]byte{make([]byte, 100), make([]byte, MaxFrame-99)})
	for _, then := range []struct {
		at   conn.Time
		want int
	}{{now, superframe}, {now.Add(bigPause) - 1, superframe}, {now.Add(bigPause), big}} {
		if got := l.of(then.at, ip4); got != then.want {
			t.Errorf("%v after a big one was refused the limit is %d, want %d", then.at.Sub(now), got, then.want)
		}
	}

	// Those that were on their way count as one; the next makes it wait for twice as long.
	l.refused(now.Add(bigPause/2), [][]byte{make([]byte, MaxFrame+1)})
	again := now.Add(bigPause)
	l.refused(again, [][]byte{make([]byte, MaxFrame+1)})
	if end := again.Add(2 * bigPause); l.of(end-1, ip4) != superframe || l.of(end, ip4) != big {
		t.Errorf("the second pause ends at %v, want %v", l.from.Load(), end)
	}
}

// wantFrameLimit returns a function that compares the size of the largest frame to a near peer, initially 256 KiB.
func (l *lone) wantFrameLimit(t *testing.T) func(want int) {
	l.s.frameLimit.big = 256 << 10
	e := l.s.newEntry(l.s.clock.Now(), flow.KeyOf(addressesB[0].Addr(), addressesA[0].Addr(), 1, 2), 0)
	return func(want int) {
		t.Helper()
		if got := l.s.frameLimit.of(l.s.clock.Now(), e); got != want {
			t.Errorf("the limit is %d, want %d", got, want)
		}
	}
}

// A frame that the device refuses begins a pause.
func TestRefusedFrame(t *testing.T) {
	l := newLone(t, Config{Near: prefixes("10.77.0.0/16")})
	limit := l.wantFrameLimit(t)
	limit(256 << 10)
	w := newWriter()
	w.parts = append(w.parts, make([]byte, 100<<10))
	l.d.err = syscall.ENOBUFS
	l.s.writeFrame(w, 0, conn.Closed)
	limit(superframe)
}
