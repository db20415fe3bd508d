package cc

import "time"

// Rate is a speed in octets per second, at least 0. Its arithmetic is in integers and saturates at 2^38, two terabit.
type Rate int64

// RateOf is the speed at which octets go in a time; 0 if there are none, or no time.
func RateOf(octets int64, d time.Duration) Rate {
	if octets <= 0 || d <= 0 {
		return 0
	}
	return Rate(MulDiv(octets, int64(time.Second), int64(d)))
}

// Octets is what goes in a time; none in a negative one.
func (r Rate) Octets(d time.Duration) int64 {
	if r <= 0 || d <= 0 {
		return 0
	}
	return MulDiv(int64(r), int64(d), int64(time.Second))
}

// Time is how long octets take, four minutes at the most. At no speed they take no time: 0 stands for no limit.
func (r Rate) Time(octets int64) time.Duration {
	if r <= 0 || octets <= 0 {
		return 0
	}
	return time.Duration(MulDiv(octets, int64(time.Second), int64(r)))
}

// Times is the speed times num/den, both positive.
func (r Rate) Times(num, den int64) Rate { return Rate(MulDiv(int64(r), num, den)) }

// Sample is what the delivery of one record tells about the path: so much was delivered in such a time, from when it was
// sent (draft-ietf-ccwg-bbr-06 4.1).
type Sample struct {
	// Delivered octets in Interval. An Interval of 0: nothing reliable was measured.
	Delivered int64
	Interval  time.Duration
	// Prior is how much had been delivered when the record was sent.
	Prior int64
	// InFlight was in flight when it had been sent, itself included, and Lost has been lost since.
	InFlight, Lost int64
	// Limited says that the application, not the path, may have set the pace.
	Limited bool
}

// Rate is the speed of delivery; 0: unknown.
func (s *Sample) Rate() Rate { return RateOf(s.Delivered, s.Interval) }
