package bbr

import (
	"math/bits"

	"minitcp/conn/cc"
)

// bounds are the limits that follow from loss: the long-term one, which probing finds (inflight_longterm), and the
// short-term ones, which hold until the next probe (bw_shortterm, inflight_shortterm) (5.5.10).
type bounds struct {
	longTerm  int64   // inflight_longterm, in bytes
	bandwidth cc.Rate // bw_shortterm
	inFlight  int64   // inflight_shortterm, in bytes

	// Maxima of the current round: delivery rate, and bytes delivered.
	rateLatest     cc.Rate
	inFlightLatest int64
	roundEnd       int64 // value of delivered at which the round ends
	roundOver      bool  // the current ACK ends the round
	lossInRound    bool
	markInRound    bool
	events         int // losses in Startup's round
}

// A loss rate of 2 % is tolerated. One reduction brings the short-term limits to at least 0.7 of their values. 0.15
// of the long-term limit is left to other flows.
const (
	lossNum, lossDen      = 2, 100
	beta             gain = 70
	headroomGain     gain = 15
	// toleranceGain adds to the bytes delivered the tolerated loss of 2 % and the pacing margin of 1 %.
	toleranceGain gain = 103
)

// resetShortTerm removes the short-term limits.
func (l *bounds) resetShortTerm() { l.bandwidth, l.inFlight = cc.MaxWindow, cc.MaxWindow }

// resetLatest begins a round without measurements.
func (l *bounds) resetLatest() {
	l.lossInRound, l.markInRound, l.rateLatest, l.inFlightLatest = false, false, 0, 0
}

// latest adds an ACK to the measurements of the round.
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

// nextLatest starts the measurements of the next round with the ACK that begins it.
func (b *Controller) nextLatest(a *cc.Ack) {
	if l := &b.bounds; l.roundOver {
		l.rateLatest, l.inFlightLatest = a.Sample.Rate(), a.Sample.Delivered
	}
}

// noteLoss records congestion in this round.
func (b *Controller) noteLoss() {
	if !b.bounds.lossInRound {
		b.bounds.roundEnd = b.delivered
	}
	b.bounds.lossInRound = true
}

// adaptShortTerm sets the short-term limits to the deliveries of a round that had ECN marks or too many losses. While
// BBR probes for bandwidth it does not, because probing causes loss (5.5.10.3).
//
// Deviation: the draft reduces the limits after any loss, to the bytes delivered. These are fewer than the bytes sent
// by the loss rate, and the bytes sent are fewer than those delivered in the round before by the pacing margin. With
// 1 % of random loss the rate would fall to half by the end of each cycle. Therefore the limits here allow for the
// tolerated loss and for the margin.
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

// tooHigh reports whether too many of the bytes in flight were lost.
//
// Deviation: the limit is the tolerated number of segments and two standard deviations. The draft's limit is the
// tolerated number itself. With 300 segments in flight and 1 % of random loss, every twentieth round would exceed it.
func (b *Controller) tooHigh(lost, inFlight int64) bool {
	tolerated := cc.MulDiv(max(inFlight, 0), lossNum, lossDen)
	if lost <= tolerated {
		return false
	}
	return !b.sack || lost-tolerated > b.mss*squareRoot(4*tolerated/b.mss)
}

// squareRoot returns the largest r whose square is at most n.
func squareRoot(n int64) (r int64) {
	for bit := int64(1) << (bits.Len64(uint64(n)) / 2); bit > 0; bit >>= 1 {
		if try := r | bit; try*try <= n {
			r = try
		}
	}
	return r
}

// inFlightTooHigh sets the long-term limit to inFlight and ends the probe (5.5.10.2).
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

// inFlightAtLoss returns the bytes in flight at which the loss became too high. That may be within a record of several
// segments.
func inFlightAtLoss(l *cc.Lost) int64 {
	before := min(max(0, l.InFlight-l.Size), cc.MaxWindow)
	lostBefore := min(max(0, l.Lost-l.Size), cc.MaxWindow)
	prefix := (before*lossNum - lostBefore*lossDen) / (lossDen - lossNum)
	return before + max(0, prefix)
}

// raiseLongTerm raises the long-term limit to the bytes in flight at a delivery without too much loss. During a probe
// the limit grows by 1, 2, 4, 8... segments in a round (5.3.3.9).
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

// raiseSlope doubles the growth of the long-term limit for the next round of a probe.
func (b *Controller) raiseSlope() {
	c := &b.cycle
	c.perSegment = max(b.window>>c.upRounds, b.mss)
	c.upRounds = min(c.upRounds+1, 30)
}

// headroom returns the long-term limit less the part left to other flows.
func (b *Controller) headroom() int64 {
	l := b.bounds.longTerm
	if l == cc.MaxWindow {
		return cc.MaxWindow
	}
	return max(l-max(b.mss, headroomGain.of(l)), 4*b.mss)
}

// marked processes an ECN mark, at most once in a round. In Startup it ends Startup, during a probe it sets the
// long-term limit, and otherwise it leads to the short-term limits.
//
// The draft leaves the response to experiments, and requires that marks count as congestion (3.7).
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

// undo is the state before an episode, which a spurious loss restores (5.5.11).
type undo struct {
	saved              bool
	left               bool // the loss ended state
	state              state
	bandwidth          cc.Rate
	inFlight, longTerm int64
}

// save records the state before an episode.
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
