package bbr

import (
	"testing"
	"time"

	"minitcp/conn/cc"
)

// path is a path with a sender that BBR controls. Ten ACKs arrive in each round trip of 40 ms. Segments have 1000
// bytes.
type path struct {
	t *testing.T
	*Controller
	now       time.Duration
	rtt       time.Duration
	rate      cc.Rate // delivery rate
	inFlight  int64
	delivered int64
	lost      int64
	full      bool // the window is full
	limited   bool // the application limits the rate
	stale     bool // no RTT is as short as the minimum, so that ProbeRTT is due
}

const (
	mbit = cc.Rate(125_000)
	rtt0 = 40 * time.Millisecond
	bdp  = 500_000 // at 100 Mbit/s
)

func newPath(t *testing.T) *path {
	return &path{
		t: t, Controller: New(Config{MSS: 1000, Window: 10_000, Seed: 1}), now: time.Second, rtt: rtt0, rate: mbit,
	}
}

// ack acknowledges the deliveries of a tenth of a round trip.
func (p *path) ack() {
	p.now += p.rtt / 10
	if !p.stale {
		p.Controller.rtt.probeAt = p.now
	}
	n := p.rate.Bytes(p.rtt / 10)
	p.delivered += n
	flight := p.rate.Bytes(p.rtt)
	p.OnAck(cc.Ack{
		Now: p.now, Acked: n, Delivered: p.delivered, InFlight: p.inFlight, RTT: p.rtt, SRTT: p.rtt, Full: p.full,
		Sample: cc.Sample{
			Delivered: flight, Interval: p.rtt, Prior: max(0, p.delivered-flight), InFlight: p.inFlight, Lost: p.lost,
			Limited: p.limited,
		},
	})
}

// round runs n round trips at a delivery rate, with inFlight bytes in flight.
func (p *path) round(n int, rate cc.Rate, inFlight int64) {
	p.rate, p.inFlight = rate, inFlight
	for range 10 * n {
		p.ack()
	}
}

// until runs until BBR is in state s. It fails the test after limit.
func (p *path) until(s state, inFlight int64, limit time.Duration) {
	p.t.Helper()
	p.inFlight = inFlight
	for end := p.now + limit; p.state != s; {
		if p.now > end {
			p.t.Fatalf("after %v in state %d, want %d", limit, p.state, s)
		}
		p.ack()
	}
}

// lose declares segments lost, with inFlight bytes in flight.
func (p *path) lose(segments int, inFlight int64) {
	for range segments {
		p.lost += 1000
		p.OnLost(cc.Lost{Now: p.now, Size: 1000, Delivered: p.delivered, InFlight: inFlight, Lost: p.lost})
	}
}

func (p *path) want(s state) {
	p.t.Helper()
	if p.state != s {
		p.t.Fatalf("state %d, want %d", p.state, s)
	}
}

// paces expects the pacing rate to be a percentage of a rate, less the margin of 1 %.
func (p *path) paces(percent int64, of cc.Rate) {
	p.t.Helper()
	want := of.Times(percent, 100).Times(99, 100)
	if got := p.PacingRate(); got < want.Times(995, 1000) || got > want.Times(1005, 1000) {
		p.t.Errorf("paces at %d, want %d: %d %% of %d", got, want, percent, of)
	}
}

// windows expects a window within 5 % of n.
func (p *path) windows(n int64) {
	p.t.Helper()
	if w := p.Window(); w < n-n/20 || w > n+n/20 {
		p.t.Errorf("window %d, want about %d", w, n)
	}
}

// cruising returns a path of 100 Mbit/s that BBR has measured, in Cruise.
func cruising(t *testing.T) *path {
	t.Helper()
	p := newPath(t)
	p.round(10, 100*mbit, bdp)
	p.until(cruise, bdp/2, time.Second)
	p.round(1, 100*mbit, bdp/2)
	return p
}

// probing returns a path in Up.
func probing(t *testing.T) *path {
	t.Helper()
	p := cruising(t)
	p.until(up, bdp, 4*time.Second)
	return p
}

// Startup paces at 2.77 times the delivery rate, until that has not grown by a quarter for three rounds.
func TestStartup(t *testing.T) {
	p := newPath(t)
	for rate := 4 * mbit; rate < 100*mbit; rate *= 2 {
		p.round(1, rate, rate.Bytes(rtt0))
		p.want(startup)
		p.paces(277, rate)
	}
	p.round(2, 100*mbit, 2*bdp)
	p.want(startup)
	p.round(2, 100*mbit, 2*bdp)
	p.want(drain)
	p.paces(50, 100*mbit)
	p.round(1, 100*mbit, 3*bdp/2)
	p.want(drain)
	p.inFlight = bdp
	p.ack()
	p.want(cruise) // the queue is gone
	p.paces(100, 100*mbit)
	if w := p.Window(); w < 2*bdp || w > 3*bdp {
		t.Errorf("window %d, want twice the product and the aggregated bytes", w)
	}
}

// Startup does not end while the application limits the rate.
func TestStartupLimited(t *testing.T) {
	p := newPath(t)
	p.limited = true
	p.round(20, 10*mbit, 50_000)
	p.want(startup)
	p.limited = false
	p.round(4, 10*mbit, 50_000)
	if p.state == startup {
		t.Error("Startup does not end")
	}
}

// Drain ends after three rounds even if the queue is that of other flows.
func TestDrainEnds(t *testing.T) {
	p := newPath(t)
	p.until(drain, bdp, time.Second)
	p.rate = 100 * mbit
	p.round(3, mbit, bdp)
	p.want(drain)
	p.round(2, mbit, bdp)
	if p.state == drain {
		t.Error("still in Drain")
	}
}

// In Startup, at least six losses and more than 2 % in a round of fast recovery show that the pipe is full. Fewer
// losses, or losses outside of fast recovery, do not.
func TestStartupLoss(t *testing.T) {
	for _, c := range []struct {
		name       string
		lost       int
		recovering bool
		sack       bool
		ends       bool
	}{
		{"1 %", 5, true, true, false},
		{"3 %", 15, true, true, false},
		{"4 %", 20, true, true, true},
		{"before fast recovery", 20, false, true, false},
		{"any without SACK", 1, true, false, true},
	} {
		p := newPath(t)
		p.sack = c.sack
		for rate := 5 * mbit; rate < 100*mbit; rate *= 2 {
			p.round(1, rate, rate.Bytes(rtt0))
		}
		p.round(1, 100*mbit, bdp)
		p.lose(c.lost, bdp)
		if c.recovering {
			p.OnLoss(cc.Loss{Now: p.now, InFlight: bdp})
		}
		p.round(1, 125*mbit, bdp)
		p.ack()
		if ended := p.state != startup; ended != c.ends {
			t.Errorf("%s: state %d", c.name, p.state)
		}
		if c.ends && (p.bounds.longTerm < bdp || p.bounds.longTerm > 2*bdp) {
			t.Errorf("%s: limit %d", c.name, p.bounds.longTerm)
		}
		if c.ends {
			p.OnSpurious()
			p.want(startup)
			if p.bounds.longTerm != cc.MaxWindow {
				t.Errorf("%s: after OnSpurious the limit is %d", c.name, p.bounds.longTerm)
			}
		}
	}
}

// A timeout does not end Startup, with SACK or without. The rate measured after it is that of a path that was empty for
// the time of the timeout: it would be kept, and each segment would wait for a second (simulation, seed 5315 with
// cookies).
func TestStartupTimeout(t *testing.T) {
	for _, sack := range []bool{true, false} {
		p := newPath(t)
		p.sack = sack
		p.round(1, 5*mbit, bdp)
		rate := p.PacingRate()
		p.lose(20, bdp)
		p.OnTimeout(cc.Loss{Now: p.now, InFlight: bdp, Pipe: 0})
		p.round(1, mbit, bdp)
		if p.want(startup); p.PacingRate() < rate {
			t.Errorf("SACK %v: the rate falls from %d to %d", sack, rate, p.PacingRate())
		}
		p.OnRecovered()
		p.lose(20, bdp)
		p.OnLoss(cc.Loss{Now: p.now, InFlight: bdp})
		p.round(2, mbit, bdp)
		if p.state == startup {
			t.Errorf("SACK %v: losses in fast recovery after the timeout do not end Startup", sack)
		}
	}
}

// A cycle has Down until the queue is gone, Cruise for two to three seconds, Refill for a round, and Up until the
// rate no longer grows.
func TestCycle(t *testing.T) {
	p := cruising(t)
	p.paces(100, 100*mbit)
	began := p.cycle.began
	p.until(refill, bdp, 4*time.Second)
	if took := p.now - began; took < 2*time.Second || took > 3*time.Second+p.rtt {
		t.Errorf("Refill after %v", took)
	}
	p.paces(100, 100*mbit)
	p.round(1, 100*mbit, bdp)
	p.until(up, bdp, p.rtt)
	p.ack()
	p.paces(125, 100*mbit)
	p.windows(2*bdp + bdp/4 + p.aggregate.extra() + 2000)
	p.round(2, 100*mbit, 5*bdp/4)
	p.want(up)
	p.round(2, 100*mbit, 5*bdp/4)
	p.want(down)
	p.round(1, 100*mbit, 5*bdp/4)
	p.want(down)
	p.paces(90, 100*mbit)
	p.until(cruise, bdp/2, p.rtt)
}

// Up finds more bandwidth, and lasts as long as the rate grows. A lower bandwidth takes two cycles to be accepted.
func TestBandwidthChanges(t *testing.T) {
	p := probing(t)
	for rate := 125 * mbit; rate < 400*mbit; rate = rate.Times(5, 4) + 1 {
		p.round(1, rate, rate.Bytes(rtt0))
		p.want(up)
		p.paces(125, rate)
	}
	high := p.bandwidth.max()
	p.rate = 50 * mbit
	p.until(down, bdp, time.Second)
	for range 2 {
		p.until(cruise, 1000, time.Second)
		if p.bandwidth.max() != high {
			t.Fatalf("bandwidth %d is accepted at once", p.bandwidth.max())
		}
		p.until(up, 1000, 4*time.Second)
		p.until(down, 1000, time.Second)
	}
	p.until(cruise, 1000, time.Second)
	p.paces(100, 50*mbit)
}

// On a short path, the cycle lasts as long as Reno's window takes to grow by the product.
func TestBesideReno(t *testing.T) {
	p := newPath(t)
	p.round(10, 2*mbit, 10_000)
	p.until(cruise, 5_000, time.Second)
	began := p.now
	p.until(refill, 10_000, 4*time.Second)
	if took := p.now - began; took > 12*p.rtt {
		t.Errorf("Refill after %v, want about ten round trips", took)
	}
}

// A probe that loses more than 2 % sets the long-term limit and ends. Cruise leaves some of the limit to others. The
// next probe stops at the limit. If it succeeds, another follows and exceeds the limit.
func TestLongTermLimit(t *testing.T) {
	p := probing(t)
	const inFlight = 5 * bdp / 4 // 625 segments: twelve may be lost, and seven more by chance
	p.round(1, 100*mbit, inFlight)
	p.lose(19, inFlight)
	p.want(up)
	p.lose(1, inFlight)
	p.want(down)
	if l := p.bounds.longTerm; l < inFlight-1000 || l > inFlight {
		t.Errorf("limit %d, want that before the last loss, %d", l, inFlight)
	}
	p.lose(20, inFlight) // of the same probe: no other consequence
	if l := p.bounds.longTerm; l < inFlight-1000 {
		t.Errorf("limit %d after more of the same", l)
	}
	p.lost = 0
	p.until(cruise, bdp/2, time.Second)
	p.ack()
	p.windows(inFlight * 85 / 100)

	p.until(up, bdp, 4*time.Second)
	p.until(down, inFlight, p.rtt) // at once
	if !p.cycle.cautious {
		t.Error("not cautious")
	}
	p.until(refill, bdp, 2*p.rtt)
	p.until(up, bdp, 2*p.rtt)
	p.full = true
	before := p.bounds.longTerm
	for range 4 {
		p.window = p.bounds.longTerm // the window is full and at the limit
		p.round(1, 100*mbit, inFlight)
	}
	p.want(up)
	if grown := p.bounds.longTerm - before; grown < 7_000 || grown > 20_000 {
		t.Errorf("the limit has grown by %d bytes, want 1, 2, 4 and 8 segments", grown)
	}
}

// In Cruise, a round with more than the tolerated loss reduces rate and window to the bytes delivered, by at most 30 %,
// until the next probe.
func TestShortTermLimit(t *testing.T) {
	for _, c := range []struct {
		name      string
		lost      int
		delivered cc.Rate
		want      int64 // percentage of the rate
	}{
		{"1 % is tolerated", 5, 95 * mbit, 100},
		{"3 % may be chance", 15, 95 * mbit, 100},
		{"5 %", 25, 88 * mbit, 91}, // 88 are delivered of 90.6
		{"50 %", 250, 50 * mbit, 70},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := cruising(t)
			for range 2 { // of the first, a sample from before counts
				p.lost = 0
				p.lose(c.lost, bdp)
				p.round(1, c.delivered, bdp)
				p.ack()
			}
			p.paces(c.want, 100*mbit)
			p.rate, p.lost = 100*mbit, 0
			p.until(refill, bdp, 4*time.Second)
			p.paces(100, 100*mbit)
		})
	}
}

// An ECN mark has the effect of too much loss. In Startup it ends Startup.
func TestMark(t *testing.T) {
	p := cruising(t)
	for range 2 {
		p.OnLoss(cc.Loss{Now: p.now, InFlight: bdp, ECN: true})
		p.round(1, 80*mbit, bdp)
		p.ack()
	}
	p.paces(80, 100*mbit)

	p = probing(t)
	p.round(1, 100*mbit, bdp)
	p.OnLoss(cc.Loss{Now: p.now, InFlight: bdp, ECN: true})
	p.want(down)
	if p.bounds.longTerm != bdp {
		t.Errorf("limit %d", p.bounds.longTerm)
	}

	p = newPath(t)
	p.round(2, 100*mbit, bdp)
	p.OnLoss(cc.Loss{Now: p.now, InFlight: bdp, ECN: true})
	p.ack()
	if p.state == startup {
		t.Error("Startup does not end after a mark")
	}
}

// After five seconds without a shorter RTT, half of the product is in flight for 200 ms and a round.
func TestProbeRTT(t *testing.T) {
	p := cruising(t)
	p.stale = true
	began := p.now
	p.inFlight = bdp
	for p.state != probeRTT {
		if p.ack(); p.now > began+6*time.Second {
			t.Fatal("no ProbeRTT")
		}
	}
	if after := p.now - began; after < 5*time.Second || after > 5*time.Second+p.rtt {
		t.Errorf("after %v", after)
	}
	p.windows(bdp / 2)
	start := p.now
	p.round(2, 100*mbit, bdp) // the queue has not drained yet
	p.want(probeRTT)
	drained := p.now
	p.until(cruise, bdp/2, time.Second)
	if took := p.now - drained; took < 200*time.Millisecond || took > 300*time.Millisecond {
		t.Errorf("ProbeRTT took %v, and %v after the queue had drained", p.now-start, took)
	}
	p.round(2, 100*mbit, bdp)
	p.paces(100, 100*mbit)
	p.windows(2*bdp + p.aggregate.extra())
}

// A probe that ProbeRTT cuts short ends its cycle. If a queue makes the RTT so long that no Up ends by itself, the
// filter loses an old rate after two probes.
func TestProbeRTTCutsProbe(t *testing.T) {
	p := cruising(t)
	p.stale, p.rtt = true, time.Second // there is a queue
	for cut := range 2 {
		if p.bandwidth.max() < 99*mbit {
			t.Fatalf("the filter has forgotten the rate after %d probes", cut)
		}
		p.rate = 50 * mbit
		p.until(up, bdp, 5*time.Second)
		p.until(probeRTT, bdp, 5*time.Second)
		p.until(cruise, bdp/4, 5*time.Second)
	}
	if got := p.bandwidth.max(); got > 51*mbit {
		t.Errorf("bandwidth %d after two probes, want %d", got, 50*mbit)
	}
}

// A cycle that ProbeRTT interrupts before its probe does not advance the filter, nor does one in which the application
// limits the rate.
func TestProbeRTTKeepsBandwidth(t *testing.T) {
	for _, limited := range []bool{false, true} {
		p := cruising(t)
		high := p.bandwidth.max()
		p.limited = limited
		for range 3 {
			p.rate = 50 * mbit
			if limited {
				p.until(up, bdp, 5*time.Second)
			}
			p.stale, p.Controller.rtt.probeAt = true, p.now-probeRTTInterval // ProbeRTT is due
			p.until(probeRTT, bdp, time.Second)
			p.until(cruise, bdp/4, time.Second)
			p.stale = false
			p.round(2, 50*mbit, bdp/2)
		}
		if got := p.bandwidth.max(); got != high {
			t.Errorf("limited %v: bandwidth %d, want %d", limited, got, high)
		}
	}
}

// The minimum RTT follows a longer path after ten seconds.
func TestLongerPath(t *testing.T) {
	p := cruising(t)
	p.rtt, p.stale = 80*time.Millisecond, true
	for end := p.now + 9*time.Second; p.now < end; {
		p.round(1, 100*mbit, bdp)
	}
	if p.Controller.rtt.min != rtt0 {
		t.Errorf("%v after nine seconds", p.Controller.rtt.min)
	}
	for end := p.now + 3*time.Second; p.now < end; {
		p.round(1, 100*mbit, bdp/2)
	}
	if p.Controller.rtt.min != p.rtt {
		t.Errorf("%v, want %v", p.Controller.rtt.min, p.rtt)
	}
}

// After a timeout the window allows one segment in addition to those in flight. After recovery it has its old size.
func TestTimeout(t *testing.T) {
	p := cruising(t)
	before := p.Window()
	p.OnTimeout(cc.Loss{Now: p.now, InFlight: bdp, Pipe: 3000})
	if p.Window() != 4000 {
		t.Errorf("window %d, want 4000", p.Window())
	}
	p.OnTimeout(cc.Loss{Now: p.now, InFlight: bdp, Again: true})
	if p.Window() != 1000 {
		t.Errorf("window %d, want 1000", p.Window())
	}
	p.OnRecovered()
	if p.Window() != before {
		t.Errorf("window %d, want %d", p.Window(), before)
	}
}

// OnSpurious restores the limits, and begins a probe again that the loss had ended.
func TestSpurious(t *testing.T) {
	p := probing(t)
	p.round(1, 100*mbit, bdp)
	p.lose(50, bdp)
	p.OnLoss(cc.Loss{Now: p.now, InFlight: bdp})
	p.want(down)
	p.round(3, 50*mbit, bdp)
	p.OnSpurious()
	p.want(refill)
	p.lost = 0
	p.ack()
	p.paces(100, 100*mbit)
	if p.bounds.longTerm != cc.MaxWindow || p.bounds.inFlight != cc.MaxWindow {
		t.Errorf("limits %d, %d", p.bounds.longTerm, p.bounds.inFlight)
	}
	p.OnSpurious() // has no effect a second time
	p.want(refill)
}

// After the application has left the path empty, BBR fills it at its rate in any state, without ProbeRTT.
func TestRestart(t *testing.T) {
	p := probing(t)
	p.ack()
	p.paces(125, 100*mbit)
	p.now += 20 * time.Second
	p.OnRestart(p.now)
	p.paces(100, 100*mbit)
	p.ack()
	if p.state == probeRTT {
		t.Error("in ProbeRTT although the path was empty")
	}
}

// The window is larger by the bytes that ACKs aggregate.
func TestAggregation(t *testing.T) {
	p := cruising(t)
	smooth := p.Window()
	for range 30 {
		p.now += p.rtt
		p.delivered += bdp
		p.OnAck(cc.Ack{Now: p.now, Acked: bdp, Delivered: p.delivered, InFlight: bdp, RTT: p.rtt, SRTT: p.rtt,
			Sample: cc.Sample{Delivered: bdp, Interval: p.rtt, Prior: p.delivered - bdp, InFlight: bdp}})
	}
	if w := p.Window(); w < smooth+bdp/2 || w > 3*bdp+bdp/4 {
		t.Errorf("window %d, without aggregation %d", w, smooth)
	}
}

// The loss may become too high within a record (5.5.10.2).
func TestInFlightAtLoss(t *testing.T) {
	for _, c := range []struct{ size, inFlight, lost, want int64 }{
		{50_000, 1_000_000, 50_000, 969_387}, // (0.02*950000 - 0) / 0.98 into it
		{50_000, 1_000_000, 65_000, 954_081}, // 15000 before
		{50_000, 1_000_000, 90_000, 950_000}, // too high before
		{1000, 1000, 1000, 0},
	} {
		if got := inFlightAtLoss(&cc.Lost{Size: c.size, InFlight: c.inFlight, Lost: c.lost}); got != c.want {
			t.Errorf("%d of %d, %d lost: %d, want %d", c.size, c.inFlight, c.lost, got, c.want)
		}
	}
}

// Connections with different seeds probe at different times.
func TestWaits(t *testing.T) {
	seen := map[time.Duration]bool{}
	for seed := range uint64(20) {
		b := New(Config{MSS: 1000, Window: 10_000, Seed: seed})
		b.beginDown()
		if b.cycle.wait < 2*time.Second || b.cycle.wait >= 3*time.Second {
			t.Errorf("seed %d: %v", seed, b.cycle.wait)
		}
		seen[b.cycle.wait] = true
	}
	if len(seen) < 19 {
		t.Errorf("%d different waiting times of 20", len(seen))
	}
}

// No input makes the window overflow or fall below a segment.
func FuzzController(f *testing.F) {
	f.Add([]byte{1, 2, 3, 4, 5, 6, 7, 8, 9, 0, 10, 11}, uint16(1448))
	f.Fuzz(func(t *testing.T, p []byte, mss uint16) {
		size := int(max(mss, 48))
		b := New(Config{MSS: size, Window: cc.InitialWindow(size), NoSACK: mss%2 == 0, Seed: uint64(mss)})
		now, delivered := time.Duration(1), int64(0)
		for len(p) >= 5 {
			a, n, d := int64(p[1])<<(p[2]%36), p[0], time.Duration(p[3])
			c := int64(p[4]) << (p[2] / 8)
			now += d << (p[2] % 40)
			switch n % 8 {
			case 0, 1, 2:
				delivered += a
				b.OnAck(cc.Ack{
					Now: now, Acked: a, Delivered: delivered, InFlight: c, Full: n&16 != 0, RTT: d * time.Millisecond,
					SRTT: d << (p[1] % 30), Sample: cc.Sample{Delivered: a, Interval: d << (p[4] % 40),
						Prior: delivered - a, InFlight: c, Lost: c / 2 * int64(n&1), Limited: n&32 != 0},
				})
			case 3:
				b.OnLost(cc.Lost{Now: now, Size: a, Delivered: delivered, InFlight: c, Lost: a + c})
			case 4:
				b.OnLoss(cc.Loss{Now: now, InFlight: a, ECN: n&16 != 0})
			case 5:
				b.OnTimeout(cc.Loss{Now: now, InFlight: a, Pipe: c, Again: n&16 != 0})
			case 6:
				switch n & 24 {
				case 0:
					b.OnSpurious()
				case 8:
					b.OnRecovered()
				case 16:
					b.OnRestart(now)
				}
			case 7:
				size = max(48, int(a%65536))
				b.SetMSS(size)
			}
			if b.Window() < int64(size) || b.Window() > cc.MaxWindow || b.PacingRate() < 0 || b.PacingRate() > cc.MaxWindow ||
				b.bounds.longTerm < 1 || b.bounds.inFlight < 0 || b.bounds.bandwidth < 0 {
				t.Fatalf("window %d, rate %d, limits %+v", b.Window(), b.PacingRate(), b.bounds)
			}
			p = p[5:]
		}
	})
}

// A first rate that is measured across a timeout does not make BBR pace at less than a segment in a round trip.
func TestPacesASegmentInARoundTrip(t *testing.T) {
	p := newPath(t)
	p.Controller.full.reached = true // by losses, before any rate is measured
	p.now += 1200 * time.Millisecond
	p.delivered += 1000
	p.OnAck(cc.Ack{
		Now: p.now, Acked: 1000, Delivered: p.delivered, RTT: p.rtt, SRTT: p.rtt,
		Sample: cc.Sample{Delivered: 1000, Interval: 1200 * time.Millisecond},
	})
	if got, want := p.PacingRate(), cc.RateOf(1000, p.rtt); got != want {
		t.Errorf("paces at %d bytes a second, want %d", got, want)
	}
}
