package conn

import (
	"math"
	"time"
)

// Time is an instant in nanoseconds since an epoch the driver chose. Only differences matter. What Transmit is
// given must not run backwards: it becomes timestamps. Receive and Advance may be told of a little earlier, when the
// segment arrived or the timer was looked at.
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
