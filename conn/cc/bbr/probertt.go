package bbr

import (
	"math"
	"time"

	"minitcp/conn/cc"
)

// rttFilter holds the minimum RTT of the last ten seconds. After five seconds without a new minimum, ProbeRTT keeps
// few bytes in flight for a short time. Flows that share the path do so at the same time, and the queue drains
// (5.3.4).
type rttFilter struct {
	min   time.Duration // noRTT before the first measurement
	minAt time.Duration

	probe   time.Duration // minimum since probeAt
	probeAt time.Duration
	expired bool // probeAt is too long ago

	done      time.Duration // earliest end of ProbeRTT; 0 while too many bytes are in flight
	roundDone bool
	// Values of delivered between which records were sent in ProbeRTT. Their samples do not measure the bandwidth.
	from, to int64
}

// noRTT stands for a round-trip time that has not been measured.
const noRTT = time.Duration(math.MaxInt64)

const (
	minRTTLength     = 10 * time.Second
	probeRTTInterval = 5 * time.Second
	probeRTTLength   = 200 * time.Millisecond
)

// spoiled reports whether a sample is that of a record sent in ProbeRTT.
func (r *rttFilter) spoiled(s *cc.Sample) bool {
	return r.to > 0 && r.from <= s.Prior && s.Prior <= r.to
}

// checkRTT adds an RTT sample, and enters, continues and leaves ProbeRTT.
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

// beginProbeRTT enters ProbeRTT.
func (b *Controller) beginProbeRTT() {
	b.saveWindow()
	if b.state == refill || b.state == up {
		b.cycle.acks = acksStopping
	}
	b.rtt.done, b.rtt.from = 0, b.delivered
	b.beginRound()
	b.state = probeRTT
}

// probeRTT continues ProbeRTT.
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

// checkProbeRTTDone leaves ProbeRTT once it has lasted long enough. A new cycle begins in Cruise, because the queue has
// already drained, which is the purpose of Down.
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

// probeRTTWindow returns the window in ProbeRTT, half of the product.
func (b *Controller) probeRTTWindow() int64 {
	return max(b.product(b.bw(), windowGain[probeRTT]), 4*b.mss)
}
