package rtt

import (
	"math"
	"testing"
	"time"
)

const ms = time.Millisecond

// RFC 6298 2.1 to 2.3, in numbers.
//
// Shows: MUST-18.
func TestRTT(t *testing.T) {
	limits := Limits{Initial: time.Second, Min: 1, Max: 2 * time.Minute}
	var r Estimator
	if got := r.Timeout(limits); got != time.Second {
		t.Errorf("before a measurement: RTO %v", got)
	}
	for _, c := range []struct{ sample, srtt, rttvar, rto time.Duration }{
		{80 * ms, 80 * ms, 40 * ms, 240 * ms},               // SRTT = R, RTTVAR = R/2
		{80 * ms, 80 * ms, 30 * ms, 200 * ms},               // RTTVAR = 3/4 RTTVAR
		{160 * ms, 90 * ms, 42*ms + 500*1000, 260 * ms},     // + 1/4 |80-160|, with the old SRTT
		{10 * ms, 80 * ms, 51*ms + 875*1000, 287500 * 1000}, // downwards too
	} {
		r.Sample(c.sample)
		if r.SRTT != c.srtt || r.RTTVar != c.rttvar || r.Timeout(limits) != c.rto {
			t.Errorf("after %v: SRTT %v, RTTVAR %v, RTO %v; want %v, %v, %v",
				c.sample, r.SRTT, r.RTTVar, r.Timeout(limits), c.srtt, c.rttvar, c.rto)
		}
	}
	if r.Min != 10*ms {
		t.Errorf("least %v", r.Min)
	}
}

// The least and the most; and doubling never overflows.
func TestRTOBounds(t *testing.T) {
	limits := Limits{Initial: time.Second, Min: 200 * ms, Max: 2 * time.Minute}
	r := Estimator{SRTT: ms}
	if got := r.Timeout(limits); got != 201*ms {
		t.Errorf("RTO %v, want SRTT and MinRTO", got)
	}
	for _, srtt := range []time.Duration{1, ms, time.Hour, 1000 * time.Hour, math.MaxInt64 / 16} {
		for _, maxRTO := range []time.Duration{ms, 120 * time.Second, math.MaxInt64} {
			limits.Max = maxRTO
			last := time.Duration(0)
			for r.Backoff = 0; r.Backoff <= MaxBackoff; r.Backoff++ {
				r.SRTT = srtt
				got := r.Timeout(limits)
				if got <= 0 || got > maxRTO || got < last {
					t.Fatalf("SRTT %v, MaxRTO %v, backoff %d: RTO %v after %v", srtt, maxRTO, r.Backoff, got, last)
				}
				last = got
			}
		}
	}
}

// Only one segment is timed at a time, and a measurement ends the backoff.
func TestMeasurement(t *testing.T) {
	var m Timing
	m.Start(0, 100)
	m.Start(5, 200)
	if m.End != 100 || m.begun != 0 {
		t.Errorf("the ACK of byte %d is measured since %d", m.End, m.begun)
	}
	r := Estimator{Backoff: 3}
	r.Sample(ms)
	if r.Backoff != 0 {
		t.Errorf("backoff %d after a measurement", r.Backoff)
	}
}
