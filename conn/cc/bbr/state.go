package bbr

import (
	"time"

	"minitcp/conn/cc"
)

// state is a state of 5.1.
type state uint8

const (
	startup  state = iota // the rate doubles in every round
	drain                 // the queue that Startup left drains
	down                  // ProbeBW: slower than the path, so that queues drain
	cruise                // ProbeBW: at the path's rate
	refill                // ProbeBW: at the path's rate, without short-term limits, to fill the path before Up
	up                    // ProbeBW: faster than the path
	probeRTT              // few bytes in flight, to measure the minimum RTT
)

// probesBW reports whether s is one of the states of ProbeBW.
func (s state) probesBW() bool { return down <= s && s <= up }

// accelerates reports whether s probes for bandwidth, so that loss is expected.
func (s state) accelerates() bool { return s == startup || s == refill || s == up }

// The gains relate the rate to the bandwidth and the window to the product (5.6.1).
var (
	pacingGain = [...]gain{startup: 277, drain: 50, down: 90, cruise: 100, refill: 100, up: 125, probeRTT: 100}
	windowGain = [...]gain{startup: 200, drain: 200, down: 200, cruise: 200, refill: 200, up: 225, probeRTT: 50}
)

// checkStartupDone ends Startup when the pipe is full, or after a round of fast recovery with at least six losses and
// more than the tolerated loss rate (5.3.1.3). A timeout is no sign that the pipe is full: nothing has arrived, so the
// rate measured after it would be kept.
func (b *Controller) checkStartupDone(a *cc.Ack) {
	if b.state != startup {
		return
	}
	if b.bounds.roundOver {
		events := b.bounds.events
		b.bounds.events = 0
		if b.recovering && !b.timedOut && (events >= 6 && b.tooHigh(a.Sample.Lost, a.Sample.InFlight) || events > 0 && !b.sack) {
			b.leaveStartup()
		}
	}
	if b.full.reached {
		b.state = drain
		b.drainStart = b.rounds.count
	}
}

// leaveStartup ends Startup because of congestion. The long-term limit is the number of bytes delivered in a round.
func (b *Controller) leaveStartup() {
	b.undo.state = startup
	b.undo.left = true
	b.full.reached = true
	b.bounds.longTerm = max(b.bdp(), b.bounds.inFlightLatest, 4*b.mss)
}

// checkDrainDone ends Drain when the queue is gone, or after three rounds, because then the bandwidth was overestimated
// (5.3.2).
func (b *Controller) checkDrainDone(a *cc.Ack) {
	if b.state == drain && (a.InFlight <= b.inFlight(b.bw(), unity) || b.rounds.count > b.drainStart+3) {
		b.beginDown()
	}
}

// cycle is the cycle of ProbeBW (5.3.3).
type cycle struct {
	began  time.Duration // beginning of Down
	wait   time.Duration // time from began to Refill at the latest
	rounds int64         // rounds since began, plus 0 or 1 at random

	acks ackPhase
	// probed reports whether the current deliveries and losses are those of a probe that has had no consequence yet.
	probed bool
	// tooHigh reports whether the last probe lost too much. The next one stops at the limit which that probe set. If it
	// succeeds, it was cautious, and another probe follows at once that goes beyond the limit.
	tooHigh, cautious bool

	upRounds   uint  // rounds of this Up
	acked      int64 // bytes delivered since the long-term limit last grew
	perSegment int64 // bytes for which it grows by a segment
}

// ackPhase relates the current ACKs to the probe for bandwidth.
type ackPhase uint8

const (
	acksNothing  ackPhase = iota
	acksRefill            // of records sent in Refill
	acksStarting          // of records sent before the probe, which has begun
	acksFeedback          // of records of the probe
	acksStopping          // of records of the probe, which has ended
)

// beginDown begins a cycle after a probe, whose last ACKs have not arrived yet.
func (b *Controller) beginDown() {
	b.beginCycle()
	b.cycle.acks = acksStopping
	b.state = down
}

// beginCycle draws the length of the next cycle.
func (b *Controller) beginCycle() {
	b.bounds.resetLatest()
	b.cycle.perSegment = cc.MaxWindow
	b.cycle.rounds = int64(b.draw() & 1)
	b.cycle.wait = 2*time.Second + time.Duration(b.draw()%uint64(time.Second))
	b.cycle.began = b.now
	b.beginRound()
}

// beginRefill enters Refill.
func (b *Controller) beginRefill() {
	b.bounds.resetShortTerm()
	b.cycle.upRounds, b.cycle.acked = 0, 0
	b.cycle.cautious = false
	b.cycle.acks = acksRefill
	b.beginRound()
	b.state = refill
}

// beginUp enters Up.
func (b *Controller) beginUp(a *cc.Ack) {
	b.cycle.acks = acksStarting
	b.cycle.probed = true
	b.beginRound()
	b.full.restart(a.Sample.Rate())
	b.state = up
	b.raiseSlope()
}

// advanceCycle moves through the states of ProbeBW, and adapts the model to the result of a probe (5.3.3.9).
func (b *Controller) advanceCycle(a *cc.Ack) {
	if !b.full.reached || b.adaptLongTerm(a) {
		return
	}
	switch b.state {
	case down:
		if !b.checkProbeTime() && a.InFlight <= b.headroom() && a.InFlight <= b.inFlight(b.bandwidth.max(), unity) {
			b.state = cruise
		}
	case cruise:
		b.checkProbeTime()
	case refill:
		if b.rounds.start {
			b.beginUp(a)
		}
	case up:
		if b.isUpOver(a) {
			b.cycle.tooHigh = false
			b.beginDown()
		}
	}
}

// adaptLongTerm adapts the model to the ACKs of a probe, and reports whether it has begun another probe. One round trip
// after a probe the filter of the bandwidth advances, unless the application limits the rate.
//
// Deviation: the filter also advances after a probe that ProbeRTT has cut short. The draft does not do so, because it
// treats the samples of ProbeRTT as limited by the application. If a queue makes the RTT so long that Up does not end
// before the next ProbeRTT, the filter would keep a rate for ever that the path no longer has. A cycle that ProbeRTT
// interrupts before Refill does not advance the filter: it has no sample of a probe, and a connection that shares the
// path would lose the rate of its share.
func (b *Controller) adaptLongTerm(a *cc.Ack) bool {
	c := &b.cycle
	if b.rounds.start {
		switch c.acks {
		case acksStarting:
			c.acks = acksFeedback
		case acksStopping:
			c.probed = false
			c.acks = acksNothing
			if !a.Sample.Limited {
				b.bandwidth.advance()
			}
			if b.state.probesBW() && c.cautious && !c.tooHigh {
				b.beginRefill()
				return true
			}
		}
	}
	b.raiseLongTerm(a)
	return false
}

// isUpOver reports whether the pipe is full, or a cautious probe has reached the limit (5.3.3.7).
func (b *Controller) isUpOver(a *cc.Ack) bool {
	if b.cycle.tooHigh && a.InFlight >= b.bounds.longTerm {
		b.cycle.cautious = true
		return true
	}
	if a.Full && b.window >= b.bounds.longTerm {
		b.full.restart(a.Sample.Rate()) // the limit, not the path, has limited the rate
		return false
	}
	return b.full.now
}

// checkProbeTime begins a probe after two to three seconds, or after the number of rounds, at most 63, in which Reno
// would have grown by the product (5.3.3.8).
func (b *Controller) checkProbeTime() bool {
	reno := min(b.bdp(), b.window) / b.mss
	if b.now-b.cycle.began > b.cycle.wait || b.cycle.rounds >= min(reno, 63) {
		b.beginRefill()
		return true
	}
	return false
}
