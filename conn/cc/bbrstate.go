package cc

import "time"

// bbrState is a state of 5.1.
type bbrState uint8

const (
	bbrStartup  bbrState = iota // twice as fast in every round trip
	bbrDrain                    // what queue that left goes
	bbrDown                     // ProbeBW: slower than the path, so that queues drain and others find room
	bbrCruise                   // at its rate
	bbrRefill                   // at its rate, without the limits of recent loss: the path is to be full before
	bbrUp                       // faster than it
	bbrProbeRTT                 // little in flight, to see how long the path is
)

func (s bbrState) probesBW() bool { return bbrDown <= s && s <= bbrUp }

// accelerates reports whether loss is the answer to a question that was asked.
func (s bbrState) accelerates() bool { return s == bbrStartup || s == bbrRefill || s == bbrUp }

// How fast in relation to the bandwidth, and how much in flight in relation to the product (5.6.1).
var (
	bbrPacing = [...]gain{bbrStartup: 277, bbrDrain: 50, bbrDown: 90, bbrCruise: 100, bbrRefill: 100, bbrUp: 125, bbrProbeRTT: 100}
	bbrWindow = [...]gain{bbrStartup: 200, bbrDrain: 200, bbrDown: 200, bbrCruise: 200, bbrRefill: 200, bbrUp: 225, bbrProbeRTT: 50}
)

// checkStartupDone ends Startup when the pipe is full or much is lost: in fast recovery for a round trip, in six places,
// and more than is borne (5.3.1.3).
func (b *BBR) checkStartupDone(a *Ack) {
	if b.state != bbrStartup {
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
		b.state = bbrDrain
		b.drainStart = b.rounds.count
	}
}

// leaveStartup takes the pipe for full because of congestion: what was delivered in a round trip is safe.
func (b *BBR) leaveStartup() {
	b.undo.state = bbrStartup
	b.undo.left = true
	b.full.reached = true
	b.bounds.longTerm = max(b.bdp(), b.bounds.inFlightLatest, 4*b.mss)
}

// checkDrainDone ends Drain when no queue stands any more, or after three round trips: then the bandwidth had been
// overestimated (5.3.2).
func (b *BBR) checkDrainDone(a *Ack) {
	if b.state == bbrDrain && (a.InFlight <= b.inFlight(b.bw(), unity) || b.rounds.count > b.drainStart+3) {
		b.beginDown()
	}
}

// bbrCycle is the cycle of ProbeBW (5.3.3).
type bbrCycle struct {
	began  time.Duration // Down
	wait   time.Duration // until Refill at the latest
	rounds int64         // round trips since, one more by chance

	acks bbrACKs
	// probed: what is delivered or lost now was sent while probing, and no answer has been drawn from it yet.
	probed bool
	// tooHigh: the last probe lost too much. The next one stops at the limit that set; if that goes well (cautious), another
	// follows at once and goes on.
	tooHigh, cautious bool

	upRounds   uint  // of this Up
	acked      int64 // octets delivered since the long-term limit last grew
	perSegment int64 // octets that make it grow by a segment
}

// bbrACKs is what ACKs tell about the probe for bandwidth.
type bbrACKs uint8

const (
	acksNothing  bbrACKs = iota
	acksRefill           // of Refill
	acksStarting         // of before the probe, which has begun
	acksFeedback         // of the probe
	acksStopping         // of the probe, which has ended
)

// beginDown begins a cycle after a probe, whose last ACKs are still to come.
func (b *BBR) beginDown() {
	b.beginCycle()
	b.cycle.acks = acksStopping
	b.state = bbrDown
}

func (b *BBR) beginCycle() {
	b.bounds.resetLatest()
	b.cycle.perSegment = maxWindow
	b.cycle.rounds = int64(b.draw() & 1)
	b.cycle.wait = 2*time.Second + time.Duration(b.draw()%uint64(time.Second))
	b.cycle.began = b.now
	b.beginRound()
}

func (b *BBR) beginRefill() {
	b.bounds.resetShortTerm()
	b.cycle.upRounds, b.cycle.acked = 0, 0
	b.cycle.cautious = false
	b.cycle.acks = acksRefill
	b.beginRound()
	b.state = bbrRefill
}

func (b *BBR) beginUp(a *Ack) {
	b.cycle.acks = acksStarting
	b.cycle.probed = true
	b.beginRound()
	b.full.restart(a.Sample.Rate())
	b.state = bbrUp
	b.raiseSlope()
}

// advanceCycle moves on in ProbeBW, and draws from what a probe has told (5.3.3.9).
func (b *BBR) advanceCycle(a *Ack) {
	if !b.full.reached || b.adaptLongTerm(a) {
		return
	}
	switch b.state {
	case bbrDown:
		if !b.checkProbeTime() && a.InFlight <= b.headroom() && a.InFlight <= b.inFlight(b.bandwidth.max(), unity) {
			b.state = bbrCruise
		}
	case bbrCruise:
		b.checkProbeTime()
	case bbrRefill:
		if b.rounds.start {
			b.beginUp(a)
		}
	case bbrUp:
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
func (b *BBR) adaptLongTerm(a *Ack) bool {
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
func (b *BBR) isUpOver(a *Ack) bool {
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
func (b *BBR) checkProbeTime() bool {
	reno := min(b.bdp(), b.window) / b.mss
	if b.now-b.cycle.began > b.cycle.wait || b.cycle.rounds >= min(reno, 63) {
		b.beginRefill()
		return true
	}
	return false
}
