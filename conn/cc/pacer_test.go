package cc

import (
	"testing"
	"time"

	"minitcp/conn/clock"
)

const ms = time.Millisecond

// pacing is a Pacer and a sender that always has more data, in segments of 1000 bytes on a path of 40 ms.
type pacing struct {
	t     *testing.T
	p     Pacer
	rate  Rate
	now   clock.Time
	burst int64
}

// at moves on to a time, and expects a number of bytes to leave then.
func (p *pacing) at(when time.Duration, want int64) {
	p.t.Helper()
	p.now = clock.Time(when)
	got := int64(0)
	for {
		n := p.p.Room(p.now, p.rate, 1000, p.burst, 40*time.Millisecond)
		if n == 0 {
			p.p.Waiting = true
			break
		}
		n = min(n, 64000)
		p.p.OnSent(n, p.rate)
		if got += n; got > 1e9 {
			p.t.Fatal("no end")
		}
	}
	if got != want {
		p.t.Errorf("at %v: %d bytes, want %d", when, got, want)
	}
}

// rests ends the data of the sender.
func (p *pacing) rests() { p.p.Waiting = false }

func TestPacer(t *testing.T) {
	for _, c := range []struct {
		name string
		rate Rate
		run  func(*pacing)
	}{
		{"a tick's worth in every tick", 12_500_000, func(p *pacing) {
			p.at(100*ms, 12_500)
			p.at(100*ms, 0)
			p.at(101*ms, 12_500)
			p.at(102*ms, 12_500)
		}},
		{"more than a GSO packet in every tick", 200_000_000, func(p *pacing) {
			p.at(100*ms, 200_000)
			p.at(101*ms, 200_000)
		}},
		{"an early call is harmless", 12_500_000, func(p *pacing) {
			p.at(100*ms, 12_500)
			p.at(100*ms+200*time.Microsecond, 2_500)
			p.at(101*ms, 10_000)
		}},
		{"the data that a late tick has delayed", 12_500_000, func(p *pacing) {
			p.at(100*ms, 12_500)
			p.at(104*ms, 50_000)
			p.at(105*ms, 12_500)
		}},
		{"a quarter of the round trip at the most", 12_500_000, func(p *pacing) {
			p.at(100*ms, 12_500)
			p.at(200*ms, 137_500)
		}},
		{"a pause without data gains nothing", 12_500_000, func(p *pacing) {
			p.at(100*ms, 12_500)
			p.rests()
			p.at(110*ms, 12_500)
		}},
		{"two segments at a time at a low rate", 100_000, func(p *pacing) {
			p.at(100*ms, 2_000)
			p.at(115*ms, 0)
			p.at(120*ms, 2_000)
		}},
		{"the contents of the bucket, and then the rate", 1_000_000, func(p *pacing) {
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

// A window is paced over half of the RTT in slow start, up to half of the threshold, and over five sixths of it later.
func TestWindowRate(t *testing.T) {
	c := NewReno(1000, 10_000)
	for _, step := range []struct {
		threshold int64
		want      Rate
	}{{NoThreshold, 2_000_000}, {20_002, 2_000_000}, {20_000, 1_200_000}, {5_000, 1_200_000}} {
		c.Resume(step.threshold)
		if got := WindowRate(c, 100_000, 100*ms); got != step.want {
			t.Errorf("with a threshold of %d bytes the rate is %d, want %d", step.threshold, got, step.want)
		}
	}
	if got := WindowRate(c, 100_000, 0); got != 0 {
		t.Errorf("without an RTT the rate is %d, want 0", got)
	}
}

// The bucket holds an initial window, and two while the congestion window is at most three.
func TestBurst(t *testing.T) {
	for window, want := range map[int64]int64{1: 20_000, 10_000: 20_000, 30_000: 20_000, 30_001: 10_000, 1 << 30: 10_000} {
		if got := Burst(window, 1000); got != want {
			t.Errorf("with a window of %d bytes the bucket holds %d, want %d", window, got, want)
		}
	}
}
