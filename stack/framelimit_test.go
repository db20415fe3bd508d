package stack

import (
	"net/netip"
	"syscall"
	"testing"

	"minitcp/conn"
	"minitcp/stack/internal/flow"
	"minitcp/stack/internal/frame"
	"minitcp/stack/internal/table"
)

// bigDevice takes frames of 256 KiB.
type bigDevice struct{ nullDevice }

func (*bigDevice) MaxFrame() int { return 256 << 10 }

// plainDevice takes no superframes.
type plainDevice struct{ bigDevice }

func (*plainDevice) Offloads() bool { return false }

// The limit depends on the device, the IP version, a Tap, and whether the peer is near.
func TestFrameLimit(t *testing.T) {
	const big = frame.Superframe + 256<<10 - MaxFrame
	for _, c := range []struct {
		name          string
		device        Device
		tap           func(*Frame)
		ip4, ip6, far int
	}{
		{"no superframes", &plainDevice{}, nil, 0, 0, 0},
		{"superframes", &nullDevice{}, nil, frame.Superframe, frame.Superframe, frame.Superframe},
		{"frames larger than a packet", &bigDevice{}, nil, big, frame.Superframe, frame.Superframe},
		{"those, and a Tap", &bigDevice{}, func(*Frame) {}, frame.Superframe, frame.Superframe, frame.Superframe},
	} {
		s := &Stack{}
		s.frameLimit.Usual, s.frameLimit.Big = frameLimits(c.device)
		s.Observe(Observer{Frame: c.tap})
		of := func(remote string, near bool) int {
			k := flow.KeyOf(addressesA[0].Addr(), netip.MustParseAddr(remote), 1, 2)
			return s.frameLimitOf(0, &entry{Node: table.Node[entry]{Key: k}, near: near})
		}
		if a, b, f := of("10.77.0.1", true), of("fd77::1", true), of("10.78.0.1", false); a != c.ip4 || b != c.ip6 || f != c.far {
			t.Errorf("%s: %d over IPv4, %d over IPv6, %d far away, want %d, %d, %d", c.name, a, b, f, c.ip4, c.ip6, c.far)
		}
	}
}

// wantFrameLimit returns a function that compares the size of the largest frame to a near peer, initially 256 KiB.
func (l *lone) wantFrameLimit(t *testing.T) func(want int) {
	l.s.frameLimit.Big = 256 << 10
	e := l.s.newEntry(l.s.clock.Now(), flow.KeyOf(addressesB[0].Addr(), addressesA[0].Addr(), 1, 2), 0)
	return func(want int) {
		t.Helper()
		if got := l.s.frameLimitOf(l.s.clock.Now(), e); got != want {
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
	w.Parts = append(w.Parts, make([]byte, 100<<10))
	l.d.err = syscall.ENOBUFS
	l.s.writeFrame(w, 0, conn.Closed)
	limit(frame.Superframe)
}
