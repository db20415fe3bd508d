package bbr

import (
	"math"
	"time"

	"minitcp/conn/cc"
)

// rttFilter is the shortest round trip of ten seconds, and what it takes to have one: when five have not brought a shorter
// one, little is kept in flight for a while, so that queues drain, everybody's at the same time (5.3.4).
type rttFilter struct {
	min   time.Duration // noRTT: none yet
	minAt time.Duration

	probe   time.Duration // shortest since
	probeAt time.Duration
	expired bool // that is too long ago

	done      time.Duration // when ProbeRTT may end; 0: too much is in flight still
	roundDone bool
	// What is sent from the first of these deliveries to the second tells nothing about the bandwidth.
	from, to int64
}

// noRTT stands for a round-trip time that has not been measured.
const noRTT = time.Duration(math.MaxInt64)

const (
	minRTTLength     = 10 * time.Second
	probeRTTInterval = 5 * time.Second
	probeRTTLength   = 200 * time.Millisecond
)

// spoiled reports whether a sample is of what was sent in ProbeRTT.
func (r *rttFilter) spoiled(s *cc.Sample) bool {
	return r.to > 0 && r.from <= s.Prior && s.Prior <= r.to
}

// checkRTT takes a round trip, and goes through ProbeRTT.
func (b *Controller) checkRTT(a *cc.Ack) {
	r := &b.rtt
	if r.min == noRTT {
		r.minAt, r.probeAt = b.now, b.now
	}
	r.expired = b.now > r.probeAt+probeRTTInterval
	if a.RTT > 0 && (a.RTT < r.probe || r.expired) {
		r.probe, r.probeAt = a.RTT, b.now
	}
	if r.probe < r.min || b.now > r.minAt+minRTTLength {
		r.min, r.minAt = r.probe, r.probeAt
	}
	if b.state != probeRTT && r.expired && !b.restarting {
		b.beginProbeRTT()
	}
	if b.state == probeRTT {
		b.probeRTT(a)
	}
	if a.Sample.Delivered > 0 {
		b.restarting = false
	}
}

func (b *Controller) beginProbeRTT() {
	b.saveWindow()
	if b.state == refill || b.state == up {
		b.cycle.acks = acksStopping
	}
	b.rtt.done, b.rtt.from = 0, b.delivered
	b.beginRound()
	b.state = probeRTT
}

func (b *Controller) probeRTT(a *cc.Ack) {
	r := &b.rtt
	r.to = b.delivered + a.InFlight
	switch {
	case r.done == 0 && a.InFlight <= b.probeRTTWindow():
		r.done = b.now + probeRTTLength
		r.roundDone = false
		b.beginRound()
	case r.done != 0:
		r.roundDone = r.roundDone || b.rounds.start
		if r.roundDone {
			b.checkProbeRTTDone()
		}
	}
}

// checkProbeRTTDone ends ProbeRTT when it has lasted long enough. The next probe for bandwidth is a cycle away, but what
// Down is for is done.
func (b *Controller) checkProbeRTTDone() {
	r := &b.rtt
	if r.done == 0 || b.now <= r.done {
		return
	}
	r.probeAt = b.now
	b.restoreWindow()
	b.bounds.resetShortTerm()
	if !b.full.reached {
		b.state = startup
		return
	}
	b.beginCycle()
	b.state = cruise
}

// probeRTTWindow is what is kept in flight in ProbeRTT: half of the product.
func (b *Controller) probeRTTWindow() int64 {
	return max(b.product(b.bw(), windowGain[probeRTT]), 4*b.mss)
}
