// Package timing has the clock and the timers of connections.
package timing

import (
	"time"

	"minitcp/conn"
)

// Clock returns the time as connections count it: nanoseconds since the stack was made, from the monotonic clock. The
// epoch belongs to the stack, not to the package, so that a stack made in a testing/synctest bubble runs on the
// bubble's time.
type Clock struct {
	epoch time.Time
}

// NewClock returns a clock that begins at 0.
func NewClock() Clock { return Clock{epoch: time.Now()} }

// Now returns the time since the clock was made.
func (c Clock) Now() conn.Time { return conn.Time(time.Since(c.epoch)) }

// Epoch returns the wall clock's time at which the clock was made.
func (c Clock) Epoch() time.Time { return c.epoch }
