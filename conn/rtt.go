package conn

import (
	"time"

	"minitcp/conn/seq"
)

// rttEstimator measures the round-trip time and derives the retransmission timeout (RFC 6298).
type rttEstimator struct {
	srtt, rttvar time.Duration // srtt 0: nothing measured yet
	minimum      time.Duration // smallest sample so far, 0: none
	first        time.Duration // timeout before the first measurement, 0: the Config's
	backoff      uint8         // how often the timeout has been doubled since the last progress

	// One segment at a time is timed: the ACK that covers octet timed-1 ends the measurement. A retransmission of
	// that octet spoils it, since nobody can tell which copy was acknowledged (Karn's algorithm, MUST-18).
	timed   seq.Offset // 0: none
	timedAt Time

	again Time // when something was last sent again, 0: nothing was

	probed bool // nothing has been measured since a probe for a lost tail
}

// granularity is G of RFC 6298: the tick of the driver's timers.
const granularity = time.Millisecond

// maxBackoff is as often as the timeout is doubled; MaxRTO cuts in long before.
const maxBackoff = 16

// synLost is called when the handshake completes after a SYN was lost: without a measurement the data begins with a
// timeout of 3 s, as the path may be that long (RFC 6298 5.7).
func (r *rttEstimator) synLost(cfg *Config) {
	r.backoff = 0
	r.first = max(cfg.InitialRTO, 3*time.Second)
}

// start begins a measurement that the ACK of end will finish, unless one is running.
func (r *rttEstimator) start(now Time, end seq.Offset) {
	if r.timed == 0 {
		r.timed, r.timedAt = end, now
	}
}

// cancel spoils a running measurement: something from it on was sent again.
func (r *rttEstimator) cancel(now Time) { r.timed, r.again = 0, now }

// sample takes a measured round trip (RFC 6298 2.2 and 2.3). Only a measurement ends the backoff: until one succeeds,
// the timeout may be shorter than the path is long (the other half of Karn's algorithm).
func (r *rttEstimator) sample(d time.Duration) {
	d = max(d, 1)
	r.backoff, r.probed = 0, false
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

// timeout is the RTO with its exponential backoff (RFC 6298 2.3, 2.4, 5.5). MinRTO bounds the variance term and not only
// the sum, so that a steady path of 200 ms does not time out on the first delayed ACK.
func (r *rttEstimator) timeout(cfg *Config) time.Duration {
	rto := cfg.InitialRTO
	switch {
	case r.srtt != 0:
		rto = r.srtt + max(granularity, 4*r.rttvar, cfg.MinRTO)
	case r.first != 0:
		rto = r.first
	}
	if rto > cfg.MaxRTO>>r.backoff {
		return cfg.MaxRTO // also where doubling would overflow
	}
	return rto << r.backoff
}

func absDuration(d time.Duration) time.Duration {
	if d < 0 {
		return -d
	}
	return d
}
