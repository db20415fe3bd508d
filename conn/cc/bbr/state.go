package bbr

import (
	"time"

	"minitcp/conn/cc"
)

// state is a state of 5.1.
type state uint8

const (
	startup  state = iota // twice as fast in every round trip
	drain                 // what queue that left goes
	down                  // ProbeBW: slower than the path, so that queues drain and others find room
	cruise                // at its rate
	refill                // at its rate, without the limits of recent loss: the path is to be full before
	up                    // faster than it
	probeRTT              // little in flight, to see how long the path is
)

func (s state) probesBW() bool { return down <= s && s <= up }

// accelerates reports whether loss is the answer to a question that was asked.
func (s state) accelerates() bool { return s == startup || s == refill || s == up }

// How fast in relation to the bandwidth, and how much in flight in relation to the product (5.6.1).
var (
	pacingGain = [...]gain{startup: 277, drain: 50, down: 90, cruise: 100, refill: 100, up: 125, probeRTT: 100}
	windowGain = [...]gain{startup: 200, drain: 200, down: 200, cruise: 200, refill: 200, up: 225, probeRTT: 50}
)

// checkStartupDone ends Startup when the pipe is full or much is lost: in fast recovery for a round trip, in six places,
// and more than is borne (5.3.1.3).
func (b *Controller) checkStartupDone(a *cc.Ack) {
	if b.state != startup {
		return
	}
	if b.bounds.roundOver {
		events := b.bounds.events
		b.bounds.events = 0
		if b.recovering && (events >= 6 && b.tooHigh(a.Sample.Lost, a.Sample.InFlight) || events > 0 && !b.sack) {
			b.leaveStartup()
		}
	}
	if b.full.reached {
		b.state = drain
		b.drainStart = b.rounds.count
	}
}

// leaveStartup takes the pipe for full because of congestion: what was delivered in a round trip is safe.
func (b *Controller) leaveStartup() {
	b.undo.state = startup
	b.undo.left = true
	b.full.reached = true
	b.bounds.longTerm = max(b.bdp(), b.bounds.inFlightLatest, 4*b.mss)
}

// checkDrainDone ends Drain when no queue stands any more, or after three round trips: then the bandwidth had been
// overestimated (5.3.2).
func (b *Controller) checkDrainDone(a *cc.Ack) {
	if b.state == drain && (a.InFlight <= b.inFlight(b.bw(), unity) || b.rounds.count > b.drainStart+3) {
		b.beginDown()
	}
}

// cycle is the cycle of ProbeBW (5.3.3).
type cycle struct {
	began  time.Duration // Down
	wait   time.Duration // until Refill at the latest
	rounds int64         // round trips since, one more by chance

	acks ackPhase
	// probed: what is delivered or lost now was sent while probing, and no answer has been drawn from it yet.
	probed bool
	// tooHigh: the last probe lost too much. The next one stops at the limit that set; if that goes well (cautious), another
	// follows at once and goes on.
	tooHigh, cautious bool

	upRounds   uint  // of this Up
	acked      int64 // octets delivered since the long-term limit last grew
	perSegment int64 // octets that make it grow by a segment
}

// ackPhase is what ACKs tell about the probe for bandwidth.
type ackPhase uint8

const (
	acksNothing  ackPhase = iota
	acksRefill            // of Refill
	acksStarting          // of before the probe, which has begun
	acksFeedback          // of the probe
	acksStopping          // of the probe, which has ended
)

// beginDown begins a cycle after a probe, whose last ACKs are still to come.
func (b *Controller) beginDown() {
	b.beginCycle()
	b.cycle.acks = acksStopping
	b.state = down
}

func (b *Controller) beginCycle() {
	b.bounds.resetLatest()
	b.cycle.perSegment = cc.MaxWindow
	b.cycle.rounds = int64(b.draw() & 1)
	b.cycle.wait = 2*time.Second + time.Duration(b.draw()%uint64(time.Second))
	b.cycle.began = b.now
	b.beginRound()
}

func (b *Controller) beginRefill() {
	b.bounds.resetShortTerm()
	b.cycle.upRounds, b.cycle.acked = 0, 0
	b.cycle.cautious = false
	b.cycle.acks = acksRefill
	b.beginRound()
	b.state = refill
}

func (b *Controller) beginUp(a *cc.Ack) {
	b.cycle.acks = acksStarting
	b.cycle.probed = true
	b.beginRound()
	b.full.restart(a.Sample.Rate())
	b.state = up
	b.raiseSlope()
}

// advanceCycle moves on in ProbeBW, and draws from what a probe has told (5.3.3.9).
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
// Deviation: the filter advances after a probe that ProbeRTT has cut short, too. The draft forbids that, since it takes
// the samples of ProbeRTT for limited by the application. Where a queue makes a round trip so long that Up does not end
// before the next ProbeRTT, the filter would never forget a rate that the path no longer has. A cycle that ProbeRTT
// interrupts before Refill does not advance the filter: it holds no sample of a probe, and a connection that shares the
// path would forget its part of it.
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

// isUpOver: the pipe is full, or a probe that is to be cautious has come to the limit (5.3.3.7).
func (b *Controller) isUpOver(a *cc.Ack) bool {
	if b.cycle.tooHigh && a.InFlight >= b.bounds.longTerm {
		b.cycle.cautious = true
		return true
	}
	if a.Full && b.window >= b.bounds.longTerm {
		b.full.restart(a.Sample.Rate()) // it is the limit that kept it from going faster
		return false
	}
	return b.full.now
}

// checkProbeTime begins a probe when it is time: after two to three seconds, or, where Reno would have grown by the whole
// product sooner, after so many round trips, up to 63 (5.3.3.8).
func (b *Controller) checkProbeTime() bool {
	reno := min(b.bdp(), b.window) / b.mss
	if b.now-b.cycle.began > b.cycle.wait || b.cycle.rounds >= min(reno, 63) {
		b.beginRefill()
		return true
	}
	return false
}
