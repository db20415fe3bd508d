package netem

import (
	"math"
	"time"
)

// codel is the CoDel algorithm [RFC 8289 5]. The queue is first in, first out and its rate is known, so that the
// sojourn time of a packet is known on arrival. The decisions are made then, in the order of departure.
type codel struct {
	firstAbove time.Duration // end of the interval above the target; 0 while below it
	next       time.Duration // time of the next signal
	dropping   bool
	count      int // signals since the start of dropping
	lastCount  int // count at the start of dropping
}

// The recommended parameters [RFC 8289 4.2, 4.3].
const (
	codelTarget   = 5 * time.Millisecond
	codelInterval = 100 * time.Millisecond
)

// signals reports whether the packet that leaves the queue now, after the given wait, is dropped or marked. A wait
// below the target is never too long. The target is at least the transmission time of one packet.
func (c *codel) signals(now time.Duration, waited, target time.Duration) bool {
	late := c.late(now, waited, target)
	switch {
	case c.dropping && !late:
		c.dropping = false
	case c.dropping && now >= c.next:
		c.count++
		c.next = c.after(c.next)
		return true
	case !c.dropping && late:
		c.dropping = true
		delta := c.count - c.lastCount
		c.count = 1
		if delta > 1 && now-c.next < 16*codelInterval {
			c.count = delta // continues at the rate of the last time
		}
		c.lastCount = c.count
		c.next = c.after(now)
		return true
	}
	return false
}

// late reports whether the wait has been above the target for an interval.
func (c *codel) late(now time.Duration, waited, target time.Duration) bool {
	switch {
	case waited < target:
		c.firstAbove = 0
	case c.firstAbove == 0:
		c.firstAbove = now + codelInterval
	default:
		return now >= c.firstAbove
	}
	return false
}

// after returns the time of the signal that follows one at t.
func (c *codel) after(t time.Duration) time.Duration {
	return t + time.Duration(float64(codelInterval)/math.Sqrt(float64(c.count)))
}
