package cc

import "time"

// BBR is version 3 of BBR, draft-ietf-ccwg-bbr-06: it measures how fast the path delivers and how long it is, sends at
// that rate, keeps about twice their product in flight at the most, and looks now and then whether either has changed.
// Loss says where the limits are; up to two in a hundred is borne.
//
//	bbr.go          the order of steps for each event
//	bbrmodel.go     what is measured: bandwidth, round trip, aggregation, rounds
//	bbrstate.go     Startup, Drain, and the cycle of ProbeBW
//	bbrbounds.go    what loss says: the long-term and the short-term limits
//	bbrprobertt.go  ProbeRTT
//	bbrcontrol.go   the window and the rate that follow
type BBR struct {
	mss     int64
	initial int64 // window to begin with
	sack    bool
	random  uint64

	window int64
	rate   Rate
	prior  int64 // last window that neither loss recovery nor ProbeRTT had made smaller

	now       time.Duration
	delivered int64 // octets, since the connection began

	state      bbrState
	rounds     bbrRounds
	bandwidth  bbrBandwidth
	aggregate  bbrAggregation
	full       bbrFullPipe
	cycle      bbrCycle
	bounds     bbrBounds
	rtt        bbrRTT
	recovering bool // an episode of loss recovery is under way
	restarting bool // after an idle time
	drainStart int64
	undo       bbrUndo
}

// BBRConfig is what a BBR begins with.
type BBRConfig struct {
	// MSS is the size of a full segment, Window the initial window.
	MSS    int
	Window int64
	// NoSACK says that the peer does not tell what arrives out of order: then any loss is too much.
	NoSACK bool
	// Seed makes the waiting times random: a number that others cannot guess.
	Seed uint64
}

// NewBBR returns a controller in Startup.
func NewBBR(cfg BBRConfig) *BBR {
	b := &BBR{
		mss: int64(cfg.MSS), initial: cfg.Window, window: cfg.Window, sack: !cfg.NoSACK, random: cfg.Seed,
		rtt: bbrRTT{min: noRTT, probe: noRTT},
	}
	b.bounds.longTerm = maxWindow
	b.bounds.resetShortTerm()
	b.cycle.perSegment = maxWindow
	return b
}

// Window implements [Controller].
func (b *BBR) Window() int64 { return b.window }

// SlowStartThreshold implements [Controller]: there is none.
func (b *BBR) SlowStartThreshold() int64 { return maxWindow }

// PacingRate implements [Controller].
func (b *BBR) PacingRate() Rate { return b.rate }

// Models implements [Controller].
func (b *BBR) Models() bool { return true }

// OnAck implements [Controller] (5.2.3).
func (b *BBR) OnAck(a Ack) {
	b.now, b.delivered = a.Now, a.Delivered
	b.latest(&a)
	b.measure(&a)
	b.adaptShortTerm(&a)
	b.aggregated(&a)
	b.checkFullPipe(&a)
	b.checkStartupDone(&a)
	b.checkDrainDone(&a)
	b.advanceCycle(&a)
	b.checkRTT(&a)
	b.nextLatest(&a)
	b.control(&a)
}

// OnLost implements [Controller] (5.5.10.2).
func (b *BBR) OnLost(l Lost) {
	b.now, b.delivered = l.Now, l.Delivered
	b.save()
	b.noteLoss()
	b.bounds.events++
	if b.cycle.probed && b.tooHigh(l.Lost, l.InFlight) {
		b.inFlightTooHigh(inFlightAtLoss(&l), l.Limited)
	}
}

// OnLoss implements [Controller].
func (b *BBR) OnLoss(l Loss) {
	b.now = l.Now
	if l.ECN {
		b.marked(l)
		return
	}
	b.save()
	b.recovering = true
}

// OnTimeout implements [Controller]: one segment beside what is on its way, and then up again (5.6.4.4).
func (b *BBR) OnTimeout(l Loss) {
	b.now = l.Now
	b.save()
	b.recovering = true
	b.window = min(max(l.Pipe, 0)+b.mss, maxWindow)
}

// OnRecovered implements [Controller].
func (b *BBR) OnRecovered() {
	b.recovering = false
	b.undo.saved = false
	b.restoreWindow()
}

// OnRestart implements [Controller]: what is sent fills an empty path at the path's rate (5.4.1).
func (b *BBR) OnRestart(now time.Duration) {
	b.now = now
	b.restarting = true
	b.aggregate.begin(now)
	switch {
	case b.state.probesBW():
		b.setRate(unity)
	case b.state == bbrProbeRTT:
		b.checkProbeRTTDone()
	}
}

// OnIdle implements [Controller]: the model does not wear out, and pacing needs no ACKs to keep time.
func (b *BBR) OnIdle() {}

// Resume implements [Controller]: the path is measured anew.
func (b *BBR) Resume(int64) {}

// SetMSS implements [Controller].
func (b *BBR) SetMSS(mss int) {
	b.mss = int64(mss)
	b.window = max(b.window, b.mss)
}

// draw is the next random number (splitmix64).
func (b *BBR) draw() uint64 {
	b.random += 0x9e3779b97f4a7c15
	z := b.random
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	return z ^ z>>31
}
