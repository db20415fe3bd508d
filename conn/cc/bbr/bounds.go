package bbr

import (
	"math/bits"

	"minitcp/conn/cc"
)

// bounds is what loss tells: how much in flight is too much for long (inflight_longterm, learned by probing), and for
// now (bw_shortterm and inflight_shortterm, until the next probe) (5.5.10).
type bounds struct {
	longTerm  int64 // octets in flight
	bandwidth cc.Rate
	inFlight  int64

	// The most of a round trip in which something is lost: rate of delivery, and octets delivered.
	rateLatest     cc.Rate
	inFlightLatest int64
	roundEnd       int64 // of that round trip
	roundOver      bool  // the ACK at hand ends it
	lossInRound    bool
	markInRound    bool
	events         int // losses in it
}

// Loss is borne up to 2 in 100. The short-term limits come down to 0.7 at once at the most; 0.15 of the long-term limit is
// left to others.
const (
	lossNum, lossDen      = 2, 100
	beta             gain = 70
	headroomGain     gain = 15
	// toleranceGain makes of what was delivered what was sent by a rate one in a hundred below it, of which two were lost.
	toleranceGain gain = 103
)

func (l *bounds) resetShortTerm() { l.bandwidth, l.inFlight = cc.MaxWindow, cc.MaxWindow }

func (l *bounds) resetLatest() {
	l.lossInRound, l.markInRound, l.rateLatest, l.inFlightLatest = false, false, 0, 0
}

// latest follows the round trip.
func (b *Controller) latest(a *cc.Ack) {
	l, s := &b.bounds, &a.Sample
	l.roundOver = false
	if s.Delivered == 0 {
		return
	}
	l.rateLatest = max(l.rateLatest, s.Rate())
	l.inFlightLatest = max(l.inFlightLatest, s.Delivered)
	if s.Prior >= l.roundEnd {
		l.roundEnd = b.delivered
		l.roundOver = true
	}
}

// nextLatest begins with what the ACK says when a round trip is over.
func (b *Controller) nextLatest(a *cc.Ack) {
	if l := &b.bounds; l.roundOver {
		l.rateLatest, l.inFlightLatest = a.Sample.Rate(), a.Sample.Delivered
	}
}

// noteLoss: congestion in this round trip.
func (b *Controller) noteLoss() {
	if !b.bounds.lossInRound {
		b.bounds.roundEnd = b.delivered
	}
	b.bounds.lossInRound = true
}

// adaptShortTerm answers, at the end of a round trip with marks or too many losses, with the limits for now: what was
// delivered in it. Not while probing, which asks for loss (5.5.10.3).
//
// Deviation: the draft answers any loss, with what was delivered. That is always less than what was sent, which is less
// than what was delivered in the round trip before by the margin the rate keeps, so where one in a hundred is lost for no
// reason the rate would be halved by the end of each cycle. But so much is to be borne, and so here it is not counted, nor
// is the margin.
func (b *Controller) adaptShortTerm(a *cc.Ack) {
	l := &b.bounds
	if !l.roundOver {
		return
	}
	tooMany := l.lossInRound && b.tooHigh(a.Sample.Lost, a.Sample.InFlight)
	if (tooMany || l.markInRound) && !b.state.accelerates() {
		if l.bandwidth == cc.MaxWindow {
			l.bandwidth = b.bandwidth.max()
		}
		if l.inFlight == cc.MaxWindow {
			l.inFlight = b.window
		}
		rate, inFlight := l.rateLatest, l.inFlightLatest
		if !l.markInRound {
			rate, inFlight = min(toleranceGain.ofRate(rate), l.bandwidth), min(toleranceGain.of(inFlight), l.inFlight)
		}
		l.bandwidth = max(rate, beta.ofRate(l.bandwidth))
		l.inFlight = max(inFlight, beta.of(l.inFlight))
	}
	l.lossInRound, l.markInRound = false, false
}

// tooHigh reports whether of what was in flight too much was lost.
//
// Deviation: by two standard deviations of the number of segments that are lost when as many are as is borne. The draft
// compares with that number itself, which with 300 segments in flight, of which one in a hundred is lost at random, is
// exceeded in every twentieth round trip.
func (b *Controller) tooHigh(lost, inFlight int64) bool {
	borne := cc.MulDiv(max(inFlight, 0), lossNum, lossDen)
	if lost <= borne {
		return false
	}
	return !b.sack || lost-borne > b.mss*squareRoot(4*borne/b.mss)
}

// squareRoot is the largest r whose square is not more than n.
func squareRoot(n int64) (r int64) {
	for bit := int64(1) << (bits.Len64(uint64(n)) / 2); bit > 0; bit >>= 1 {
		if try := r | bit; try*try <= n {
			r = try
		}
	}
	return r
}

// inFlightTooHigh makes what was in flight the long-term limit, and ends the probe (5.5.10.2).
func (b *Controller) inFlightTooHigh(inFlight int64, limited bool) {
	b.cycle.tooHigh = true
	b.cycle.probed = false
	if !limited {
		b.bounds.longTerm = min(max(inFlight, beta.of(min(b.bdp(), b.window)), b.mss), cc.MaxWindow)
	}
	if b.state == up {
		b.undo.state, b.undo.left = up, true
		b.beginDown()
	}
}

// inFlightAtLoss is what was in flight when the loss became too much, which may have been in the midst of what was sent
// together.
func inFlightAtLoss(l *cc.Lost) int64 {
	before := min(max(0, l.InFlight-l.Size), cc.MaxWindow)
	lostBefore := min(max(0, l.Lost-l.Size), cc.MaxWindow)
	prefix := (before*lossNum - lostBefore*lossDen) / (lossDen - lossNum)
	return before + max(0, prefix)
}

// raiseLongTerm: what is delivered without too much loss may be in flight; probing, the limit grows by 1, 2, 4, 8...
// segments in a round trip (5.3.3.9).
func (b *Controller) raiseLongTerm(a *cc.Ack) {
	l, s := &b.bounds, &a.Sample
	if l.longTerm == cc.MaxWindow || s.Delivered == 0 || b.tooHigh(s.Lost, s.InFlight) {
		return
	}
	l.longTerm = min(max(l.longTerm, s.InFlight), cc.MaxWindow-1)
	c := &b.cycle
	if b.state != up || !a.Full || b.window < l.longTerm {
		return
	}
	c.acked = min(c.acked+a.Acked, cc.MaxWindow)
	if c.acked >= c.perSegment {
		n := c.acked / c.perSegment
		c.acked -= n * c.perSegment
		l.longTerm = min(l.longTerm+min(n*b.mss, cc.MaxWindow), cc.MaxWindow-1)
	}
	if b.rounds.start {
		b.raiseSlope()
	}
}

func (b *Controller) raiseSlope() {
	c := &b.cycle
	c.perSegment = max(b.window>>c.upRounds, b.mss)
	c.upRounds = min(c.upRounds+1, 30)
}

// headroom is the long-term limit less what is left to others.
func (b *Controller) headroom() int64 {
	l := b.bounds.longTerm
	if l == cc.MaxWindow {
		return cc.MaxWindow
	}
	return max(l-max(b.mss, headroomGain.of(l)), 4*b.mss)
}

// marked answers a mark of a router, once in a round trip: to one that was asked for with the long-term limit or the end
// of Startup, to another with the short-term ones.
//
// The draft leaves marks to experiments, but demands that they count as congestion (3.7).
func (b *Controller) marked(l cc.Loss) {
	b.noteLoss()
	b.bounds.markInRound = true
	switch {
	case b.state == startup:
		b.leaveStartup()
	case b.cycle.probed:
		b.inFlightTooHigh(l.InFlight, false)
	}
}

// undo is what a loss that was none gives back (5.5.11).
type undo struct {
	saved              bool
	left               bool // the loss ended state
	state              state
	bandwidth          cc.Rate
	inFlight, longTerm int64
}

// save remembers what there was before an episode.
func (b *Controller) save() {
	if b.undo.saved {
		return
	}
	b.saveWindow()
	b.undo = undo{saved: true, bandwidth: b.bounds.bandwidth, inFlight: b.bounds.inFlight, longTerm: b.bounds.longTerm}
}

// OnSpurious implements [cc.Controller].
func (b *Controller) OnSpurious() {
	u := b.undo
	if !u.saved {
		return
	}
	b.restoreWindow()
	l := &b.bounds
	l.lossInRound = false
	b.full.restart(0)
	l.bandwidth, l.inFlight = max(l.bandwidth, u.bandwidth), max(l.inFlight, u.inFlight)
	l.longTerm = max(l.longTerm, u.longTerm)
	b.undo = undo{}
	switch {
	case !u.left || u.state == b.state:
	case u.state == startup:
		b.full.reached = false
		if b.state != probeRTT {
			b.state = startup
		}
	case b.state != probeRTT:
		b.beginRefill()
	}
}
