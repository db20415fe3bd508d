package bbr

import (
	"time"

	"minitcp/conn/cc"
)

// rounds counts round trips by what is delivered (5.5.1).
type rounds struct {
	count int64
	end   int64 // what is sent when so much has been delivered belongs to the next
	start bool  // the ACK at hand begins one
}

// begin makes what is sent from now on the next round trip.
func (b *Controller) beginRound() { b.rounds.end = b.delivered }

// bandwidthFilter is the highest rate of delivery in this cycle of probing and the last (5.5.2 to 5.5.6).
type bandwidthFilter struct {
	last, this cc.Rate
}

func (f *bandwidthFilter) max() cc.Rate { return max(f.last, f.this) }

// advance begins a cycle. It does nothing if nothing was measured in the current one.
func (f *bandwidthFilter) advance() {
	if f.this != 0 {
		f.last, f.this = f.this, 0
	}
}

// measure takes the sample of an ACK into the model.
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

// limited reports whether the application or ProbeRTT, not the path, may have set the rate of a sample.
func (b *Controller) limited(s *cc.Sample) bool { return s.Limited || b.rtt.spoiled(s) }

// bw is the rate that is thought to be right: the path's, and no more than recent loss lets (BBR.bw).
func (b *Controller) bw() cc.Rate { return min(b.bandwidth.max(), b.bounds.bandwidth) }

// bdp is what is in flight at that rate when no queue stands.
func (b *Controller) bdp() int64 { return b.product(b.bw(), unity) }

// product is a rate times the round trip times a gain; the initial window while nothing is known.
func (b *Controller) product(rate cc.Rate, g gain) int64 {
	if b.rtt.min == noRTT {
		return b.initial
	}
	return g.of(rate.Octets(b.rtt.min))
}

// aggregation is how much more than expected is acknowledged at once: receivers, links and superframes gather
// segments or their ACKs, and the window must be larger by that if the path is not to run dry meanwhile (5.5.9).
type aggregation struct {
	since time.Duration // when counting began
	acked int64         // octets since
	most  [2]int64      // excess in the last few round trips and in those at hand
	round int64         // when those began
}

func (g *aggregation) begin(now time.Duration) { g.since, g.acked = now, 0 }

func (g *aggregation) extra() int64 { return max(g.most[0], g.most[1]) }

// aggregationRounds is half of the round trips an excess is remembered for.
const aggregationRounds = 5

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
	expected := b.bw().Octets(a.Now - g.since)
	if g.acked <= expected {
		g.begin(a.Now)
		expected = 0
	}
	g.acked = min(g.acked+a.Acked, cc.MaxWindow)
	g.most[1] = max(g.most[1], min(g.acked-expected, b.window))
}

// fullPipe looks for the moment when sending faster does not make more arrive (5.3.1.2).
type fullPipe struct {
	base   cc.Rate // to be exceeded by a quarter
	rounds int     // in which it was not
	now    bool    // three of them: the pipe is full
	// reached: it has been, once.
	reached bool
}

func (f *fullPipe) restart(base cc.Rate) { f.base, f.rounds, f.now = base, 0, false }

// checkFullPipe takes every sample and not, as the draft has it, only the first of a round trip: one ACK that comes late
// says little about the round trip.
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

// gain is a factor in hundredths.
type gain int64

const unity gain = 100

// of is n times the gain, saturating.
func (g gain) of(n int64) int64 { return cc.MulDiv(n, int64(g), int64(unity)) }

func (g gain) ofRate(r cc.Rate) cc.Rate { return cc.Rate(g.of(int64(r))) }
