package stack

import (
	"sync"
	"time"
)

// direction is one direction of a connection, as a resource that calls wait for.
type direction struct {
	*waitQueue // nil while no call is blocked and no deadline is set, which is the common case
}

// waitQueue holds the calls that wait for one direction, and their deadline. The stack lends it from a pool. It stays
// with its connection once it has a timer.
type waitQueue struct {
	waiter
	writers  waiter // calls that wait for the write lock
	deadline deadline
}

// acquire returns h's wait queue, which it takes from the pool if h has none. The entry's lock is held, here and below.
func (c *Conn) acquire(h *direction) *waitQueue {
	if h.waitQueue == nil {
		h.waitQueue = c.stack.waitQueues.Get().(*waitQueue)
		h.deadline.mu, h.deadline.stops = &c.entry.mu, h.waitQueue
	}
	return h.waitQueue
}

// release returns h's wait queue to the pool if it is unused.
func (c *Conn) release(h *direction) {
	w := h.waitQueue
	if w == nil || w.waiting > 0 || w.writers.waiting > 0 || w.deadline.passed || w.deadline.timer != nil {
		return
	}
	h.waitQueue, w.deadline.mu, w.deadline.stops = nil, nil, nil
	c.stack.waitQueues.Put(w)
}

// wait returns when h has been woken or its deadline has passed. It releases the lock meanwhile.
func (c *Conn) wait(h *direction) {
	c.acquire(h).wait(&c.entry.mu)
	c.release(h)
}

// waitWriteLock returns when the write lock may be free.
func (c *Conn) waitWriteLock() {
	c.acquire(&c.wr).writers.wait(&c.entry.mu)
	c.release(&c.wr)
}

// setDeadline sets the deadline of calls on h.
func (c *Conn) setDeadline(h *direction, t time.Time) {
	if h.waitQueue == nil && t.IsZero() {
		return
	}
	c.acquire(h).deadline.set(t)
	c.release(h)
}

// passed reports whether the deadline has passed.
func (h *direction) passed() bool { return h.waitQueue != nil && h.deadline.passed }

// wake wakes one blocked call.
func (h *direction) wake() {
	if h.waitQueue != nil {
		h.waiter.wake()
	}
}

// broadcast wakes all calls.
func (w *waitQueue) broadcast() {
	w.waiter.broadcast()
	w.writers.broadcast()
}

// wakeWriter wakes one call that waits for the write lock.
func (h *direction) wakeWriter() {
	if h.waitQueue != nil {
		h.writers.wake()
	}
}

// stop ends all blocked calls, and makes later ones fail.
func (h *direction) stop() {
	if h.waitQueue != nil {
		h.deadline.stop()
	}
}

// waiter lets goroutines wait for a condition that a mutex guards. It is a [sync.Cond] that counts its waiting
// goroutines, so that a wake without any is a comparison. The mutex guards all fields.
//
// It needs less stack than a select, so that a goroutine that waits to read keeps the smallest.
type waiter struct {
	cond    sync.Cond
	waiting int // number of goroutines in wait
}

// wait returns when woken. The mutex is held on entry and on return, and released in between.
func (w *waiter) wait(mu *sync.Mutex) {
	w.cond.L = mu
	w.waiting++
	w.cond.Wait()
	w.waiting--
}

// wake wakes one waiting goroutine, if there is one. It does not block.
func (w *waiter) wake() {
	if w.waiting > 0 {
		w.cond.Signal()
	}
}

// broadcast wakes all waiting goroutines. It does not block.
func (w *waiter) broadcast() {
	if w.waiting > 0 {
		w.cond.Broadcast()
	}
}

// deadline is a time at which blocked calls fail. When it passes, it wakes the calls: those on a connection through
// their wait queue, those on a listener through a channel that it closes. Setting it again reuses the timer, and the
// channel unless that was closed. The owner's mutex mu guards all fields.
type deadline struct {
	mu      *sync.Mutex
	at      time.Time     // with a monotonic reading, so that a step of the wall clock does not move it; zero for none
	passed  bool          // calls fail at once
	stops   *waitQueue    // calls to wake; nil for a listener
	channel chan struct{} // nil until done is called
	timer   *time.Timer
}

// set changes the deadline. The zero time removes it. A time that is not in the future passes at once.
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

// expire is the timer's function. If the deadline has been changed since the timer fired, expire arms the timer for the
// remaining time.
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

// pass wakes every waiting call.
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

// stop makes the deadline pass for good.
func (d *deadline) stop() {
	if d.timer != nil {
		d.timer.Stop()
	}
	d.at = time.Time{}
	d.pass()
}

// done returns a channel that is closed when the deadline has passed.
func (d *deadline) done() <-chan struct{} {
	if d.channel == nil {
		d.channel = make(chan struct{})
		if d.passed {
			close(d.channel)
		}
	}
	return d.channel
}
