// Package bbr implements BBR version 3, a congestion controller that models the path (draft-ietf-ccwg-bbr-06). It
// measures the path's delivery rate and minimum RTT, sends at that rate, and keeps at most about twice their product
// in flight. From time to time it probes for more bandwidth and for a shorter RTT. It tolerates the loss of up to 2 %
// of the segments. A higher loss rate limits the bytes in flight.
//
//	bbr.go       the controller, and the order of steps for each event
//	model.go     measurements: bandwidth, aggregation of ACKs, rounds, and whether the pipe is full
//	state.go     Startup, Drain, and the cycle of ProbeBW
//	bounds.go    long-term and short-term limits that follow from loss
//	probertt.go  ProbeRTT
//	control.go   the window and the rate
//
// Section numbers in brackets are those of the draft.
package bbr

import (
	"time"

	"minitcp/conn/cc"
)

// Controller is the BBR state of one connection. It implements [cc.Controller].
type Controller struct {
	mss     int64
	initial int64 // initial window
	sack    bool
	random  uint64

	window int64
	rate   cc.Rate
	least  cc.Rate // a segment in a round trip
	prior  int64   // last window outside of loss recovery and ProbeRTT

	now       time.Duration
	delivered int64 // bytes since the connection began

	state      state
	rounds     rounds
	bandwidth  bandwidthFilter
	aggregate  aggregation
	full       fullPipe
	cycle      cycle
	bounds     bounds
	rtt        rttFilter
	recovering bool // an episode of loss recovery is under way
	timedOut   bool // it began with a timeout
	restarting bool // after an idle period
	drainStart int64
	undo       undo
}

// Config configures a Controller.
type Config struct {
	// MSS is the size of a full segment in bytes, Window the initial window in bytes.
	MSS    int
	Window int64
	// NoSACK reports whether the peer sends no SACK blocks. Then any loss counts as too much.
	NoSACK bool
	// Seed is the seed of the random waiting times. Others must not be able to guess it.
	Seed uint64
}

// New returns a Controller in Startup.
func New(cfg Config) *Controller {
	b := &Controller{
		mss: int64(cfg.MSS), initial: cfg.Window, window: cfg.Window, sack: !cfg.NoSACK, random: cfg.Seed,
		rtt: rttFilter{min: noRTT, probe: noRTT},
	}
	b.bounds.longTerm = cc.MaxWindow
	b.bounds.resetShortTerm()
	b.cycle.perSegment = cc.MaxWindow
	return b
}

// Window implements [cc.Controller].
func (b *Controller) Window() int64 { return b.window }

// SlowStartThreshold implements [cc.Controller]. There is none.
func (b *Controller) SlowStartThreshold() int64 { return cc.MaxWindow }

// PacingRate implements [cc.Controller].
func (b *Controller) PacingRate() cc.Rate { return b.rate }

// ModelBased implements [cc.Controller].
func (b *Controller) ModelBased() bool { return true }

// OnAck implements [cc.Controller] (5.2.3).
func (b *Controller) OnAck(a cc.Ack) {
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

// OnLost implements [cc.Controller] (5.5.10.2).
func (b *Controller) OnLost(l cc.Lost) {
	b.now, b.delivered = l.Now, l.Delivered
	b.save()
	b.noteLoss()
	b.bounds.events++
	if b.cycle.probed && b.tooHigh(l.Lost, l.InFlight) {
		b.inFlightTooHigh(inFlightAtLoss(&l), l.Limited)
	}
}

// OnLoss implements [cc.Controller].
func (b *Controller) OnLoss(l cc.Loss) {
	b.now = l.Now
	if l.ECN {
		b.marked(l)
		return
	}
	b.save()
	b.recovering = true
}

// OnTimeout implements [cc.Controller]. The window allows one segment in addition to those in flight (5.6.4.4).
func (b *Controller) OnTimeout(l cc.Loss) {
	b.now = l.Now
	b.save()
	b.recovering, b.timedOut = true, true
	b.window = min(max(l.Pipe, 0)+b.mss, cc.MaxWindow)
}

// OnRecovered implements [cc.Controller].
func (b *Controller) OnRecovered() {
	b.recovering, b.timedOut = false, false
	b.undo.saved = false
	b.restoreWindow()
}

// OnRestart implements [cc.Controller]. The path is empty, and is filled at its own rate (5.4.1).
func (b *Controller) OnRestart(now time.Duration) {
	b.now = now
	b.restarting = true
	b.aggregate.begin(now)
	switch {
	case b.state.probesBW():
		b.setRate(unity)
	case b.state == probeRTT:
		b.checkProbeRTTDone()
	}
}

// OnIdle implements [cc.Controller]. It does nothing: the model stays valid, and pacing needs no ACK clock.
func (b *Controller) OnIdle() {}

// Resume implements [cc.Controller]. It does nothing: the new controller measures the path again.
func (b *Controller) Resume(int64) {}

// SetMSS implements [cc.Controller].
func (b *Controller) SetMSS(mss int) {
	b.mss = int64(mss)
	b.window = max(b.window, b.mss)
}

// draw returns the next random number (splitmix64).
func (b *Controller) draw() uint64 {
	b.random += 0x9e3779b97f4a7c15
	z := b.random
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	return z ^ z>>31
}
