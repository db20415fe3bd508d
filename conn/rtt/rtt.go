// Package rtt measures the round-trip time of a connection and derives the retransmission timeout (RFC 6298).
package rtt

import (
	"time"

	"minitcp/conn/clock"
	"minitcp/conn/seq"
)

// Estimator holds the estimates. The zero Estimator has no measurement.
type Estimator struct {
	SRTT    time.Duration // smoothed round-trip time, 0 before the first measurement
	RTTVar  time.Duration // its mean deviation
	Min     time.Duration // least measurement, 0 before the first
	Backoff uint8         // number of times that the timeout has been doubled since there was progress

	TailProbed bool // nothing has been measured since a tail loss probe
	synLost    bool // the SYN was lost, and nothing has been measured since the handshake
}

// Limits bound the retransmission timeout.
type Limits struct {
	Initial  time.Duration // timeout before the first measurement
	Min, Max time.Duration // least variance term, largest timeout
}

const (
	// MaxBackoff is the largest number of times that the timeout is doubled. Limits.Max applies long before.
	MaxBackoff = 16
	// granularity is G of RFC 6298: the tick of the driver's timers.
	granularity = time.Millisecond
	// synLossTimeout is the initial timeout of the data after the SYN was lost: the path may be that long (RFC 6298
	// 5.7).
	synLossTimeout = 3 * time.Second
)

// SYNLost must be called when a handshake completes after a SYN was lost.
func (e *Estimator) SYNLost() { e.Backoff, e.synLost = 0, true }

// Sample takes a measured round-trip time (RFC 6298 2.2 and 2.3). Only a measurement ends the backoff: until one
// succeeds, the path may be longer than the timeout (the other half of Karn's algorithm).
func (e *Estimator) Sample(d time.Duration) {
	d = max(d, 1)
	e.Backoff, e.TailProbed = 0, false
	if e.Min == 0 || d < e.Min {
		e.Min = d
	}
	if e.SRTT == 0 {
		e.SRTT, e.RTTVar = d, d/2
		return
	}
	e.RTTVar += ((e.SRTT - d).Abs() - e.RTTVar) / 4
	e.SRTT += (d - e.SRTT) / 8
	e.SRTT = max(e.SRTT, 1)
}

// Timeout returns the retransmission timeout with its exponential backoff (RFC 6298 2.3, 2.4, 5.5). Limits.Min bounds
// the variance term and not only the sum, so that a steady path of 200 ms does not time out on the first delayed ACK.
func (e *Estimator) Timeout(l Limits) time.Duration {
	rto := l.Initial
	switch {
	case e.SRTT != 0:
		rto = e.SRTT + max(granularity, 4*e.RTTVar, l.Min)
	case e.synLost:
		rto = max(rto, synLossTimeout)
	}
	if rto > l.Max>>e.Backoff {
		return l.Max // also where doubling would overflow
	}
	return rto << e.Backoff
}

// Timing is the measurement of one segment's round trip. The ACK that covers byte End-1 ends it. A retransmission of
// that byte cancels it, because the ACK does not show which copy has arrived (Karn's algorithm, MUST-18).
type Timing struct {
	End                seq.Offset // 0 while no measurement is running
	begun              clock.Time
	LastRetransmission clock.Time // time of the last retransmission, 0 for none
}

// Start begins a measurement that the ACK of end will finish, unless one is running.
func (t *Timing) Start(now clock.Time, end seq.Offset) {
	if t.End == 0 {
		t.End, t.begun = end, now
	}
}

// Finish ends the measurement and returns its result.
func (t *Timing) Finish(now clock.Time) time.Duration {
	t.End = 0
	return now.Sub(t.begun)
}

// Cancel ends a running measurement without a result, because data was retransmitted.
func (t *Timing) Cancel(now clock.Time) { t.End, t.LastRetransmission = 0, now }
