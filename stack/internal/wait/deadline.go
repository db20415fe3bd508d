package wait

import (
	"sync"
	"time"
)

// Deadline is a time at which blocked calls fail. When it passes, it wakes the calls: those on a [Direction] through
// their queue, others through a channel that it closes. Setting it again reuses the timer, and the
// channel unless that was closed. The owner's mutex mu guards all fields.
type Deadline struct {
	mu      *sync.Mutex
	at      time.Time     // with a monotonic reading, so that a step of the wall clock does not move it; zero for none
	passed  bool          // calls fail at once
	stops   *queue        // calls to wake; nil without a Direction
	channel chan struct{} // nil until Done is called
	timer   *time.Timer
}

// NewDeadline returns a deadline that mu guards: it is held during every call.
func NewDeadline(mu *sync.Mutex) Deadline { return Deadline{mu: mu} }

// Passed reports whether the deadline has passed.
func (d *Deadline) Passed() bool { return d.passed }

// Set changes the deadline. The zero time removes it. A time that is not in the future passes at once.
func (d *Deadline) Set(t time.Time) {
	d.at = time.Time{}
	if d.timer != nil {
		d.timer.Stop()
	}
	if d.passed {
		d.passed = false
		d.channel = nil
	}
	if t.IsZero() {
		return
	}
	now := time.Now()
	left := t.Sub(now)
	d.at = now.Add(left)
	switch {
	case left <= 0:
		d.pass()
	case d.timer == nil:
		d.timer = time.AfterFunc(left, d.expire)
	default:
		d.timer.Reset(left)
	}
}

// expire implements the timer's function. If the deadline has been changed since the timer fired, expire arms the
// timer for the remaining time.
func (d *Deadline) expire() {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.passed || d.at.IsZero() {
		return
	}
	if left := time.Until(d.at); left > 0 {
		d.timer.Reset(left)
		return
	}
	d.pass()
}

// pass wakes every waiting call.
func (d *Deadline) pass() {
	if d.passed {
		return
	}
	d.passed = true
	if d.channel != nil {
		close(d.channel)
	}
	if d.stops != nil {
		d.stops.broadcast()
	}
}

// Stop makes the deadline pass for good.
func (d *Deadline) Stop() {
	if d.timer != nil {
		d.timer.Stop()
	}
	d.at = time.Time{}
	d.pass()
}

// Done returns a channel that is closed when the deadline has passed.
func (d *Deadline) Done() <-chan struct{} {
	if d.channel == nil {
		d.channel = make(chan struct{})
		if d.passed {
			close(d.channel)
		}
	}
	return d.channel
}
