// Package clock defines the instants that package conn computes with. It reads no clock: the driver passes the time
// with each call.
package clock

import (
	"math"
	"time"
)

// Time is an instant in nanoseconds since an epoch that the driver has chosen. Only differences matter.
type Time int64

// Never is later than every instant: the value of a timer that is not set.
const Never Time = math.MaxInt64

// Add returns t+d, and [Never] where that would overflow.
func (t Time) Add(d time.Duration) Time {
	if d > 0 && t > Never-Time(d) {
		return Never
	}
	return t + Time(d)
}

// Sub returns the time from u to t.
func (t Time) Sub(u Time) time.Duration { return time.Duration(t - u) }
