package conn

import (
	"time"

	"minitcp/conn/seq"
)

// rttEstimator measures the round-trip time and derives the retransmission timeout (RFC 6298).
type rttEstimator struct {
	srtt, rttvar time.Duration // srtt is 0 before the first sample
	minimum      time.Duration // smallest sample, 0 before the first
	backoff      uint8         // number of times that the timeout has doubled since the last progress

	synLost    bool // the SYN was lost, and there is no sample since the handshake
	tailProbed bool // a tail probe has been sent since the last sample
}

// timing is the measurement of one segment's round trip. The ACK that covers byte end-1 ends it. A retransmission of
// that byte cancels it, because its ACK does not tell which copy has arrived (Karn's algorithm, MUST-18).
type timing struct {
	end                seq.Offset // 0 if no measurement is running
	begun              Time
	lastRetransmission Time // 0 if there was none
}

// granularity is G of RFC 6298, the resolution of the driver's timers.
const granularity = time.Millisecond

// maxBackoff limits the number of times that the timeout doubles. MaxRTO takes effect long before.
const maxBackoff = 16

// afterSYNLoss is called when the handshake completes after a SYN was lost. Until the first sample the timeout is then
// at least 3 s, as the path may be that long (RFC 6298 5.7).
func (r *rttEstimator) afterSYNLoss() {
	r.backoff = 0
	r.synLost = true
}

// start begins a measurement that ends with the ACK of end, unless one is running.
func (t *timing) start(now Time, end seq.Offset) {
	if t.end == 0 {
		t.end, t.begun = end, now
	}
}

// cancel ends a running measurement without a result, as data in it is retransmitted.
func (t *timing) cancel(now Time) { t.end, t.lastRetransmission = 0, now }

// sample takes a measured round-trip time (RFC 6298 2.2, 2.3). Only a sample ends the backoff, since until then the
// timeout may be shorter than the round-trip time (the other half of Karn's algorithm).
func (r *rttEstimator) sample(d time.Duration) {
	d = max(d, 1)
	r.backoff, r.tailProbed = 0, false
	if r.minimum == 0 || d < r.minimum {
		r.minimum = d
	}
	if r.srtt == 0 {
		r.srtt, r.rttvar = d, d/2
		return
	}
	r.rttvar += (absDuration(r.srtt-d) - r.rttvar) / 4
	r.srtt += (d - r.srtt) / 8
	r.srtt = max(r.srtt, 1)
}

// timeout returns the RTO with its exponential backoff (RFC 6298 2.3, 2.4, 5.5). MinRTO is the lower limit of the
// variance term and not only of the sum, so that a steady path of 200 ms does not time out on the first delayed ACK.
func (r *rttEstimator) timeout(cfg *Config) time.Duration {
	rto := cfg.InitialRTO
	switch {
	case r.srtt != 0:
		rto = r.srtt + max(granularity, 4*r.rttvar, cfg.MinRTO)
	case r.synLost:
		rto = max(rto, 3*time.Second)
	}
	if rto > cfg.MaxRTO>>r.backoff {
		return cfg.MaxRTO // also prevents an overflow
	}
	return rto << r.backoff
}

func absDuration(d time.Duration) time.Duration {
	if d < 0 {
		return -d
	}
	return d
}
