package stack

import (
	"time"

	"minitcp/conn"
)

// clock returns the time as connections count it: nanoseconds since the stack was made, from the monotonic clock. The
// epoch belongs to the stack, not to the package, so that a stack made in a testing/synctest bubble runs on the
// bubble's time.
type clock struct {
	epoch time.Time
}

func newClock() clock { return clock{epoch: time.Now()} }

func (c clock) now() conn.Time { return conn.Time(time.Since(c.epoch)) }
