package conn

import (
	"math"
	"time"
)

// Time is an instant in nanoseconds since an epoch the driver chose. Only differences matter. From call to call it must not
// run backwards, but for Receive, which is told when the segment arrived.
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
