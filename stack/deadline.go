package stack

import (
	"sync"
	"time"
)

// deadline is an instant at which blocked calls give up. When it has passed, those who wait are woken: of a connection's
// half all, of a listener by a channel that is closed. Setting it again uses the same timer, and the same channel unless
// that was closed. All fields are guarded by mu, the owner's.
type deadline struct {
	mu      *sync.Mutex
	at      time.Time     // with a monotonic reading, so that a step of the wall clock does not move it; zero: none
	passed  bool          // calls fail at once
	stops   *waitQueue    // nil: a listener's
	channel chan struct{} // nil until somebody asks for it
	timer   *time.Timer
}

// set changes the deadline; the zero time means none. A time that is not in the future has passed at once.
func (d *deadline) set(t time.Time) {
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

// expire is the timer's function. The deadline may have been changed since the timer fired; then expire arms the timer
// for the time that is left.
func (d *deadline) expire() {
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

// pass makes every call that waits look again.
func (d *deadline) pass() {
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

// stop passes the deadline for ever: nobody will wait again.
func (d *deadline) stop() {
	if d.timer != nil {
		d.timer.Stop()
	}
	d.at = time.Time{}
	d.pass()
}

// done is closed when the deadline has passed.
func (d *deadline) done() <-chan struct{} {
	if d.channel == nil {
		d.channel = make(chan struct{})
		if d.passed {
			close(d.channel)
		}
	}
	return d.channel
}
