package bbr

import (
	"time"

	"minitcp/conn/cc"
)

// rounds counts round trips. A round ends with the delivery of a record that was sent after its beginning (5.5.1).
type rounds struct {
	count int64
	end   int64 // value of delivered at the beginning of the round
	start bool  // the current ACK begins a round
}

// beginRound begins a round now.
func (b *Controller) beginRound() { b.rounds.end = b.delivered }

// bandwidthFilter holds the maximum delivery rates of the last probing cycle and of this one (5.5.2 to 5.5.6).
type bandwidthFilter struct {
	last, this cc.Rate
}

// max returns the maximum of both.
func (f *bandwidthFilter) max() cc.Rate { return max(f.last, f.this) }

// advance begins a cycle. It does nothing if the current one has no measurement.
func (f *bandwidthFilter) advance() {
	if f.this != 0 {
		f.last, f.this = f.this, 0
	}
}

// measure adds the sample of an ACK to the model.
func (b *Controller) measure(a *cc.Ack) {
	b.rounds.start = false
	if s := &a.Sample; s.Delivered > 0 && s.Prior >= b.rounds.end {
		b.rounds.start = true
		b.rounds.count++
		b.cycle.rounds++
		b.beginRound()
	}
	rate := a.Sample.Rate()
	if rate > 0 && (!b.limited(&a.Sample) || rate >= b.bandwidth.max()) {
		b.bandwidth.this = max(b.bandwidth.this, rate)
	}
}

// limited reports whether the application or ProbeRTT, not the path, may have limited the rate of a sample.
func (b *Controller) limited(s *cc.Sample) bool { return s.Limited || b.rtt.spoiled(s) }

// bw returns the path's rate, at most the limit that recent loss has set (BBR.bw).
func (b *Controller) bw() cc.Rate { return min(b.bandwidth.max(), b.bounds.bandwidth) }

// bdp returns the bytes in flight at that rate without a queue.
func (b *Controller) bdp() int64 { return b.product(b.bw(), unity) }

// product returns rate times the minimum RTT times g, or the initial window before the first measurement.
func (b *Controller) product(rate cc.Rate, g gain) int64 {
	if b.rtt.min == noRTT {
		return b.initial
	}
	return g.of(rate.Bytes(b.rtt.min))
}

// aggregation measures the excess of acknowledged bytes over the expected ones. Receivers, links and GSO packets
// aggregate segments and ACKs. The window must be larger by the excess, or the path is idle until the next ACK
// (5.5.9).
type aggregation struct {
	since time.Duration // beginning of the count
	acked int64         // bytes acknowledged since
	most  [2]int64      // excess in the last few rounds and in the current ones
	round int64         // first of the current rounds
}

// begin restarts the count.
func (g *aggregation) begin(now time.Duration) { g.since, g.acked = now, 0 }

// extra returns the excess to add to the window.
func (g *aggregation) extra() int64 { return max(g.most[0], g.most[1]) }

// aggregationRounds is half of the number of rounds for which an excess counts.
const aggregationRounds = 5

// aggregated adds an ACK to the measurement of aggregation.
func (b *Controller) aggregated(a *cc.Ack) {
	g := &b.aggregate
	rounds := int64(1)
	if b.full.reached {
		rounds = aggregationRounds
	}
	if b.rounds.count-g.round >= rounds {
		g.round = b.rounds.count
		g.most[0], g.most[1] = g.most[1], 0
	}
	expected := b.bw().Bytes(a.Now - g.since)
	if g.acked <= expected {
		g.begin(a.Now)
		expected = 0
	}
	g.acked = min(g.acked+a.Acked, cc.MaxWindow)
	g.most[1] = max(g.most[1], min(g.acked-expected, b.window))
}

// fullPipe detects that the delivery rate no longer grows with the sending rate (5.3.1.2).
type fullPipe struct {
	base   cc.Rate // rate that a sample must exceed by a quarter
	rounds int     // rounds without such a sample
	now    bool    // three such rounds have passed
	// reached reports whether the pipe has been full once.
	reached bool
}

// restart begins the detection again.
func (f *fullPipe) restart(base cc.Rate) { f.base, f.rounds, f.now = base, 0, false }

// checkFullPipe uses every sample. The draft uses only the first of a round, but a single late ACK is not
// representative of the round.
func (b *Controller) checkFullPipe(a *cc.Ack) {
	f := &b.full
	rate := a.Sample.Rate()
	if f.now || b.limited(&a.Sample) || a.Sample.Delivered == 0 {
		return
	}
	if rate > 0 && rate >= f.base.Times(5, 4) {
		f.restart(rate)
		return
	}
	if !b.rounds.start {
		return
	}
	f.rounds++
	f.now = f.rounds >= 3
	f.reached = f.reached || f.now
}

// gain is a factor in percent.
type gain int64

const unity gain = 100

// of returns n times the gain, saturating.
func (g gain) of(n int64) int64 { return cc.MulDiv(n, int64(g), int64(unity)) }

// ofRate returns r times the gain, saturating.
func (g gain) ofRate(r cc.Rate) cc.Rate { return cc.Rate(g.of(int64(r))) }
