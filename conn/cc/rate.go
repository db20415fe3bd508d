package cc

import (
	"math/bits"
	"time"
)

// Rate is a rate in bytes per second, at least 0. Its arithmetic is in integers and saturates at [MaxWindow], about 2
// Tbit/s.
type Rate int64

// RateOf returns the rate at which n bytes pass in d, 0 if n or d is not positive.
func RateOf(n int64, d time.Duration) Rate {
	if n <= 0 || d <= 0 {
		return 0
	}
	return Rate(MulDiv(n, int64(time.Second), int64(d)))
}

// Bytes returns the number of bytes that pass in d, 0 if d is negative.
func (r Rate) Bytes(d time.Duration) int64 {
	if r <= 0 || d <= 0 {
		return 0
	}
	return MulDiv(int64(r), int64(d), int64(time.Second))
}

// Time returns the time that n bytes take, at most four minutes. At rate 0, which stands for no limit, they take no
// time.
func (r Rate) Time(n int64) time.Duration {
	if r <= 0 || n <= 0 {
		return 0
	}
	return time.Duration(MulDiv(n, int64(time.Second), int64(r)))
}

// Times returns r*num/den for positive num and den.
func (r Rate) Times(num, den int64) Rate { return Rate(MulDiv(int64(r), num, den)) }

// Sample is the measurement that the delivery of one record yields: the bytes delivered in an interval that began
// when the record was sent (draft-ietf-ccwg-bbr-06 4.1).
type Sample struct {
	// Delivered is the number of bytes delivered in Interval. If Interval is 0, there is no reliable measurement.
	Delivered int64
	Interval  time.Duration
	// Prior is the number of bytes that had been delivered when the record was sent.
	Prior int64
	// InFlight is the number of bytes that were in flight when the record was sent, itself included. Lost is the number of
	// bytes lost since.
	InFlight, Lost int64
	// Limited reports whether the application, not the path, may have limited the rate.
	Limited bool
}

// Rate returns the delivery rate, 0 if it is unknown.
func (s *Sample) Rate() Rate { return RateOf(s.Delivered, s.Interval) }

// MulDiv returns a*b/den for positive b and den, and MaxWindow if the result would exceed it.
func MulDiv(a, b, den int64) int64 {
	negative := a < 0
	if negative {
		a = -a
	}
	hi, lo := bits.Mul64(uint64(a), uint64(b))
	if den <= 0 || hi >= uint64(den) {
		return MaxWindow
	}
	q, _ := bits.Div64(hi, lo, uint64(den))
	q = min(q, MaxWindow)
	if negative {
		return -int64(q)
	}
	return int64(q)
}
