package conn

import (
	"testing"
	"time"

	"minitcp/conn/cc"
)

// pacing is a pacer and a sender that always has more, in segments of 1000 octets on a path of 40 ms.
type pacing struct {
	t     *testing.T
	p     pacer
	rate  cc.Rate
	now   Time
	burst int64
}

// at moves on to a time, and expects so many octets to leave then.
func (p *pacing) at(when time.Duration, want int64) {
	p.t.Helper()
	p.now = Time(when)
	got := int64(0)
	for {
		n := p.p.room(p.now, p.rate, 1000, p.burst, 40*time.Millisecond)
		if n == 0 {
			p.p.waiting = true
			break
		}
		n = min(n, 64000)
		p.p.sent(n, p.rate)
		if got += n; got > 1e9 {
			p.t.Fatal("no end")
		}
	}
	if got != want {
		p.t.Errorf("at %v: %d octets, want %d", when, got, want)
	}
}

// rests: the sender has had nothing more to send.
func (p *pacing) rests() { p.p.waiting = false }

func TestPacer(t *testing.T) {
	for _, c := range []struct {
		name string
		rate cc.Rate
		run  func(*pacing)
	}{
		{"a tick's worth in every tick", 12_500_000, func(p *pacing) {
			p.at(100*ms, 12_500)
			p.at(100*ms, 0)
			p.at(101*ms, 12_500)
			p.at(102*ms, 12_500)
		}},
		{"more than a superframe in every tick", 200_000_000, func(p *pacing) {
			p.at(100*ms, 200_000)
			p.at(101*ms, 200_000)
		}},
		{"an early call is harmless", 12_500_000, func(p *pacing) {
			p.at(100*ms, 12_500)
			p.at(100*ms+200*time.Microsecond, 2_500)
			p.at(101*ms, 10_000)
		}},
		{"what a late tick has kept back", 12_500_000, func(p *pacing) {
			p.at(100*ms, 12_500)
			p.at(104*ms, 50_000)
			p.at(105*ms, 12_500)
		}},
		{"a quarter of the round trip at the most", 12_500_000, func(p *pacing) {
			p.at(100*ms, 12_500)
			p.at(200*ms, 137_500)
		}},
		{"nothing is owed to who had nothing to send", 12_500_000, func(p *pacing) {
			p.at(100*ms, 12_500)
			p.rests()
			p.at(110*ms, 12_500)
		}},
		{"two segments at a time where they take long", 100_000, func(p *pacing) {
			p.at(100*ms, 2_000)
			p.at(115*ms, 0)
			p.at(120*ms, 2_000)
		}},
		{"what the bucket has gathered, and then the rate", 1_000_000, func(p *pacing) {
			p.burst = 10_000
			p.at(100*ms, 11_000)
			p.at(101*ms, 2_000)
			p.at(103*ms, 2_000)
			p.rests()
			p.at(107*ms, 3_000)
			p.rests()
			p.at(200*ms, 11_000)
		}},
		{"a bucket smaller than a tick's worth", 12_500_000, func(p *pacing) {
			p.burst = 10_000
			p.at(100*ms, 22_500)
			p.at(101*ms, 12_500)
		}},
	} {
		t.Run(c.name, func(t *testing.T) { c.run(&pacing{t: t, rate: c.rate}) })
	}
}

// TestPacedRoundTrip follows a connection with a round trip of 100 ms through slow start. Two initial windows leave at once
// while the congestion window is at most three of them, and one when it is larger. The rest of the window leaves at the
// rate of slow start, two windows in a round trip, by the timer alone.
func TestPacedRoundTrip(t *testing.T) {
	o := sackOne(t, Disabled)
	o.cfg.Pacing = Enabled
	o.write(repeat(100_000))
	if n := o.drain(); n != 10_000 {
		t.Fatalf("%d bytes at first, want 10000", n)
	}
	o.sleep(100 * ms)
	o.ack(9001) // something stays in flight
	if n := o.drain(); n != 18_000 {
		t.Fatalf("%d bytes in the second round trip, want 18000", n)
	}
	o.sleep(100 * ms)
	o.ack(27_001)
	start, sent := o.now, o.drain()
	if sent < 10_000 || sent > 12_000 {
		t.Errorf("%d bytes at once, want 10000 and a tick's worth", sent)
	}
	for o.c.active.timer.pace != Never {
		o.now = o.c.Deadline()
		o.c.Advance(o.now)
		n := o.drain()
		if sent += n; n > 2000 {
			t.Errorf("%d bytes at once", n)
		}
	}
	if took := o.now.Sub(start); sent != 36_000 || took < 30*ms || took > 37*ms { // 25000 bytes at 720 kB/s
		t.Errorf("%d bytes in %v, want 36000 in about 34 ms", sent, took)
	}
}

// A near path is not paced, however long a round trip takes because of other connections.
func TestNearPathIsNotPaced(t *testing.T) {
	const window = 40_000 // in the third round trip
	for _, near := range []bool{false, true} {
		o := sackOne(t, Disabled)
		o.cfg.Pacing = Enabled
		o.c.path.near = near
		o.write(repeat(100_000))
		sent, last := 0, 0
		for range 3 {
			last = o.drain()
			if sent += last; last < window {
				o.sleep(100 * ms)
				o.ack(int64(sent) + 1)
			}
		}
		if (last == window) != near {
			t.Errorf("near %v: %d bytes at once, the window is %d", near, last, window)
		}
	}
}

// drain transmits all there is and returns how many octets of data that was.
func (o *one) drain() (n int) {
	o.t.Helper()
	for o.c.Transmit(o.now, 1, &o.last) {
		n += o.last.Len
		o.check()
	}
	return n
}
