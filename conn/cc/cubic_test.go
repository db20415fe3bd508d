package cc

import (
	"math"
	"testing"
	"time"
)

func TestCubeRoot(t *testing.T) {
	for _, x := range []uint64{0, 1, 7, 8, 26, 27, 1e6, 999999, 1 << 60, math.MaxUint64} {
		r := cubeRoot(x)
		if r < 1<<21-1 && (r*r*r > x || (r+1)*(r+1)*(r+1) <= x) {
			t.Errorf("cube root of %d is %d", x, r)
		}
	}
}

// The integer curve against the formula of RFC 9438 4.2 in floating point.
func TestCurve(t *testing.T) {
	for _, mss := range []int{536, 1448, 8948} {
		for _, segments := range []int64{10, 100, 1000, 100000} {
			c := NewCubic(mss, segments*int64(mss))
			c.ssthresh = c.window
			c.OnLoss(Loss{InFlight: c.window, Full: true})
			c.begin(1)
			k := math.Cbrt(float64(segments) * 0.3 / 0.4)
			if got := c.k.Seconds(); math.Abs(got-k) > 0.01*k+0.002 {
				t.Errorf("%d segments of %d: K is %v, want %.3f s", segments, mss, c.k, k)
			}
			for s := 0.0; s < 2*k; s += k / 7 {
				want := 0.4*math.Pow(s-k, 3) + float64(segments)
				got := float64(c.curve(time.Duration(s*1e9))) / float64(mss)
				if math.Abs(got-want) > 0.01*want+0.1 {
					t.Errorf("%d segments of %d: W(%.2f s) is %.2f, want %.2f", segments, mss, s, got, want)
				}
			}
		}
	}
}

// run acknowledges full windows, one in a round trip, for a time.
func (c *Cubic) run(now *time.Duration, rtt, d time.Duration) {
	for end := *now + d; *now < end; *now += rtt {
		for left := c.window; left > 0; left -= 2 * c.mss {
			c.OnAck(Ack{Now: *now, Acked: min(left, 2*c.mss), Limited: true, SRTT: rtt, Round: left == c.window})
		}
	}
}

// An ECN mark reduces the window to 0.85 (RFC 8511 3.1), and does not raise a window below the smallest threshold.
func TestCubicMark(t *testing.T) {
	for _, c := range []struct{ window, want, threshold int64 }{{20_000, 17_000, 17_000}, {1_500, 1_500, 2_000}} {
		cubic := NewCubic(1000, c.window)
		cubic.OnLoss(Loss{InFlight: c.window, Full: true, ECN: true})
		if cubic.window != c.want || cubic.ssthresh != c.threshold {
			t.Errorf("%d: window %d, threshold %d; want %d, %d", c.window, cubic.window, cubic.ssthresh, c.want, c.threshold)
		}
	}
}

// On a path of 100 ms the window reaches its old size after K, hardly grows near it, and grows fast afterwards.
//
// Shows: MAY-18.
func TestCubicShape(t *testing.T) {
	const mss = 1448
	c := NewCubic(mss, 1000*mss)
	c.ssthresh = 1
	now := time.Second
	c.OnLoss(Loss{InFlight: c.window, Full: true})
	if c.window != 700*mss {
		t.Fatalf("after the loss %d segments, want 700", c.window/mss)
	}
	k := 9085 * time.Millisecond // cbrt(300/0.4)
	c.run(&now, 100*time.Millisecond, k/2)
	if w := c.window / mss; w < 940 || w > 990 {
		t.Errorf("halfway %d segments, want about 962", w)
	}
	c.run(&now, 100*time.Millisecond, k/2)
	if w := c.window / mss; w < 995 || w > 1005 {
		t.Errorf("after K %d segments, want about 1000", w)
	}
	c.run(&now, 100*time.Millisecond, k)
	if w := c.window / mss; w < 1270 || w > 1330 {
		t.Errorf("after 2K %d segments, want about 1300", w)
	}
}

func TestCubicFastConvergence(t *testing.T) {
	const mss = 1000
	c := NewCubic(mss, 100*mss)
	c.OnLoss(Loss{InFlight: c.window, Full: true})
	c.OnLoss(Loss{InFlight: c.window, Full: true}) // below the last maximum of 100: fast convergence
	if c.wMax != 70*mss*17/20 {
		t.Errorf("wMax is %d", c.wMax)
	}
	if c.window != 49*mss {
		t.Errorf("window %d", c.window)
	}
}

func TestCubicTimeoutAndUndo(t *testing.T) {
	const mss = 1000
	c := NewCubic(mss, 100*mss)
	c.OnTimeout(Loss{InFlight: c.window, Full: true})
	if c.window != mss || c.ssthresh != 70*mss {
		t.Errorf("window %d, threshold %d", c.window, c.ssthresh)
	}
	c.OnTimeout(Loss{InFlight: mss, Again: true})
	if c.ssthresh != 70*mss {
		t.Errorf("threshold %d after the second timeout", c.ssthresh)
	}
	c.OnSpurious()
	if c.window != 100*mss || c.ssthresh != MaxWindow {
		t.Errorf("undone: window %d, threshold %d", c.window, c.ssthresh)
	}
	c.window = 5 * mss
	c.OnSpurious() // has no effect a second time
	if c.window != 5*mss {
		t.Errorf("undone twice: window %d", c.window)
	}
}

// If a loss occurs while the window is not full, the bytes in flight are the base of the reduction, at least the
// initial window (RFC 7661 4.4).
func TestCubicUnusedWindow(t *testing.T) {
	const mss = 1000
	for _, c := range []struct {
		inFlight     int64
		full         bool
		window, wMax int64
	}{{100 * mss, true, 70 * mss, 100 * mss}, {50 * mss, false, 35 * mss, 50 * mss}, {2 * mss, false, 7 * mss, 10 * mss}} {
		u := NewCubic(mss, 100*mss)
		u.OnLoss(Loss{InFlight: c.inFlight, Full: c.full})
		if u.window != c.window || u.wMax != c.wMax {
			t.Errorf("%d in flight, full %v: window %d, wMax %d; want %d, %d", c.inFlight, c.full, u.window, u.wMax, c.window, c.wMax)
		}
		if u.OnSpurious(); u.window != 100*mss {
			t.Errorf("window %d after OnSpurious", u.window)
		}
	}
}

// A window that is not full does not grow, and the time so spent adds no growth later.
func TestCubicApplicationLimited(t *testing.T) {
	const mss = 1000
	c := NewCubic(mss, 100*mss)
	c.ssthresh = 1
	now := time.Second
	c.OnLoss(Loss{InFlight: c.window, Full: true})
	c.run(&now, 100*time.Millisecond, time.Second)
	before := c.window
	for range 1000 {
		now += 100 * time.Millisecond
		c.OnAck(Ack{Now: now, Acked: mss, SRTT: 100 * time.Millisecond})
	}
	if c.window != before {
		t.Errorf("grew from %d to %d", before, c.window)
	}
	now += 100 * time.Millisecond
	c.run(&now, 100*time.Millisecond, 200*time.Millisecond)
	if c.window > before+before/10 {
		t.Errorf("jumped from %d to %d", before, c.window)
	}
}

func TestHystart(t *testing.T) {
	const mss = 1000
	rounds := func(c *Cubic, n int, rtt time.Duration) {
		for range n {
			for i := range 10 {
				c.OnAck(Ack{Now: 1, Acked: mss, Limited: true, RTT: rtt, SRTT: rtt, Round: i == 0})
			}
		}
	}
	c := NewCubic(mss, 10*mss)
	rounds(c, 3, 40*time.Millisecond)
	if c.window != 40*mss {
		t.Errorf("window %d, want 40 segments", c.window)
	}
	rounds(c, 1, 46*time.Millisecond) // 5 ms and more: an alarm, at the eighth sample
	rounds(c, 1, 46*time.Millisecond)
	if w := c.window; w < 50*mss || w > 53*mss {
		t.Errorf("window %d: conservative slow start is a quarter as fast", w)
	}
	rounds(c, 1, 40*time.Millisecond) // a false alarm
	w := c.window
	rounds(c, 1, 40*time.Millisecond)
	if c.window != w+10*mss {
		t.Errorf("window %d, want %d: slow start goes on", c.window, w+10*mss)
	}
	rounds(c, 10, 50*time.Millisecond) // confirmed: slow start ends after five rounds
	if c.ssthresh == MaxWindow || c.window < c.ssthresh {
		t.Errorf("slow start has not ended: window %d, threshold %d", c.window, c.ssthresh)
	}
}

// A queue that grows in each round by less than the threshold ends slow start once the RTT is four times its minimum.
func TestHystartSlowQueue(t *testing.T) {
	const mss = 1000
	c := NewCubic(mss, 10*mss)
	rtt := time.Millisecond
	for c.ssthresh == MaxWindow && rtt < time.Second {
		for i := range 10 {
			c.OnAck(Ack{Now: 1, Acked: mss, Limited: true, RTT: rtt, SRTT: rtt, Round: i == 0})
		}
		rtt += 3 * time.Millisecond
	}
	if rtt < 8*time.Millisecond || rtt > 14*time.Millisecond { // more than 4*1+4, and a round
		t.Errorf("slow start ends at a round trip of %v", rtt)
	}
	if c.hystart.base != 0 || c.window >= c.ssthresh+mss {
		t.Errorf("window %d, threshold %d", c.window, c.ssthresh)
	}
}

// No input makes the window overflow, fall below a segment, or the arithmetic fail.
func FuzzCubic(f *testing.F) {
	f.Add([]byte{1, 2, 3, 4, 5, 6, 7, 8, 9}, uint16(1448))
	f.Fuzz(func(t *testing.T, b []byte, mss uint16) {
		size := int(max(mss, 48))
		c := NewCubic(size, InitialWindow(size))
		now := time.Duration(1)
		for len(b) >= 4 {
			a, n, d := int64(b[1])<<(b[2]%36), b[0], time.Duration(b[3])
			now += d << (b[2] % 40)
			switch n % 6 {
			case 0, 1:
				c.OnAck(Ack{Now: now, Acked: a, Limited: n%4 != 0, RTT: d * time.Millisecond, SRTT: d << (b[1] % 30), Round: n%3 == 0})
			case 2:
				c.OnLoss(Loss{Now: now, InFlight: a, Full: n&16 != 0, ECN: n&8 != 0})
			case 3:
				c.OnTimeout(Loss{Now: now, InFlight: a, Pipe: a / 2, Full: n&16 != 0, Again: n&8 != 0})
			case 4:
				c.OnSpurious()
			case 5:
				size = max(48, int(a%65536))
				c.SetMSS(size)
			}
			if c.window < int64(size) || c.window > MaxWindow || c.ssthresh < 0 {
				t.Fatalf("window %d, threshold %d", c.window, c.ssthresh)
			}
			b = b[4:]
		}
	})
}

// A sender that paces detects a queue within a round.
func TestHystartWithin(t *testing.T) {
	const mss = 1000
	type rounds func(long time.Duration, n int, apart time.Duration)
	for _, c := range []struct {
		name   string
		rounds func(round rounds)
		window int64 // segments
		slow   bool  // conservative slow start
	}{
		// From 80 it grows until the eighth long sample, not at all in the round that confirms, and then by a quarter of 40.
		{"the end of a round trip is long, twice", func(round rounds) {
			round(46*time.Millisecond, 20, time.Millisecond)
			round(46*time.Millisecond, 20, time.Millisecond)
			round(46*time.Millisecond, 20, time.Millisecond)
		}, 117, true},
		{"for all of conservative slow start", func(round rounds) {
			for range 2 + cssRounds {
				round(46*time.Millisecond, 20, time.Millisecond)
			}
		}, 107 + 10*cssRounds, true}, // the next round trip is of congestion avoidance
		{"twice, and then no more", func(round rounds) {
			round(46*time.Millisecond, 20, time.Millisecond)
			round(46*time.Millisecond, 20, time.Millisecond)
			round(40*time.Millisecond, 0, time.Millisecond)
			round(40*time.Millisecond, 0, time.Millisecond)
		}, 157, false},
		{"once", func(round rounds) {
			round(46*time.Millisecond, 20, time.Millisecond)
			round(40*time.Millisecond, 1, time.Millisecond)
			round(40*time.Millisecond, 1, time.Millisecond)
		}, 147, false},
		{"one delay of what then comes together", func(round rounds) {
			round(46*time.Millisecond, 20, 40*time.Microsecond)
			round(40*time.Millisecond, 1, time.Millisecond)
		}, 160, false},
		{"not long enough", func(round rounds) {
			round(43*time.Millisecond, 20, time.Millisecond)
			round(40*time.Millisecond, 1, time.Millisecond)
		}, 160, false},
	} {
		h := NewCubic(mss, 10*mss)
		now := time.Second
		// A round of forty segments, of which the last n have a long RTT.
		round := func(long time.Duration, n int, apart time.Duration) {
			for i := range 40 {
				rtt := 40 * time.Millisecond
				if i >= 40-n {
					rtt = long
				}
				now += apart
				h.OnAck(Ack{Now: now, Acked: mss, Limited: true, Paced: true, RTT: rtt, SRTT: rtt, Round: i == 0})
			}
		}
		h.window = 40 * mss
		round(40*time.Millisecond, 0, time.Millisecond)
		c.rounds(round)
		if slow := h.hystart.base != 0; slow != c.slow || h.window != c.window*mss || h.ssthresh != MaxWindow {
			t.Errorf("%s: window %d, want %d; conservative: %v; ssthresh %d", c.name, h.window, c.window*mss, slow, h.ssthresh)
		}
		if h.hystart.rounds == cssRounds-1 {
			if round(46*time.Millisecond, 20, time.Millisecond); h.ssthresh == MaxWindow {
				t.Errorf("%s: slow start goes on", c.name)
			}
		}
	}
}

// After a spurious loss, hystart is active again.
func TestHystartSpurious(t *testing.T) {
	const mss = 1000
	c := NewCubic(mss, 100*mss)
	c.OnLoss(Loss{InFlight: c.window, Full: true})
	c.OnSpurious()
	for i := range 60 {
		rtt := time.Duration(40+10*(i/10)) * time.Millisecond
		c.OnAck(Ack{Now: 1, Acked: mss, Limited: true, RTT: rtt, SRTT: rtt, Round: i%10 == 0})
	}
	if c.hystart.base == 0 {
		t.Error("no alarm")
	}
}
