package conntest

import (
	"math"
	"time"

	"minitcp/conn"
)

// codel decides which packets leave a queue too late (RFC 8289 5). Where the queue is first in, first out, and its line's
// rate is known, so is a packet's sojourn time when it comes: the decisions are made then, in the order of departure.
type codel struct {
	firstAbove conn.Time // when the sojourn time will have been above the target for an interval; 0: it is not above
	next       conn.Time // of the next signal
	dropping   bool
	count      int // signals since dropping began
	last       int // count when it began
}

// The parameters RFC 8289 4.2 and 4.3 recommend.
const (
	codelTarget   = 5 * time.Millisecond
	codelInterval = 100 * time.Millisecond
)

// signals reports whether the packet that leaves the queue now, after waiting so long, is to be dropped or marked. A wait
// below the target is always good; so is that for a single packet on a slow line, which the target must not be below.
func (c *codel) signals(now conn.Time, waited, target time.Duration) bool {
	late := c.late(now, waited, target)
	switch {
	case c.dropping && !late:
		c.dropping = false
	case c.dropping && now >= c.next:
		c.count++
		c.next = c.control(c.next)
		return true
	case !c.dropping && late:
		c.dropping = true
		delta := c.count - c.last
		c.count = 1
		if delta > 1 && now.Sub(c.next) < 16*codelInterval {
			c.count = delta // it was too slow the last time
		}
		c.last = c.count
		c.next = c.control(now)
		return true
	}
	return false
}

// late reports whether packets have waited too long for an interval.
func (c *codel) late(now conn.Time, waited, target time.Duration) bool {
	switch {
	case waited < target:
		c.firstAbove = 0
	case c.firstAbove == 0:
		c.firstAbove = now.Add(codelInterval)
	default:
		return now >= c.firstAbove
	}
	return false
}

// control is when the next signal follows one at t.
func (c *codel) control(t conn.Time) conn.Time {
	return t.Add(time.Duration(float64(codelInterval) / math.Sqrt(float64(c.count))))
}
