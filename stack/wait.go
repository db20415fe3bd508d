package stack

import (
	"sync"
	"time"
)

// direction is one direction of a connection, as far as calls wait for it. Of most connections nobody waits for most of the
// time: then it is nothing.
type direction struct {
	*waitQueue // nil: nobody waits, and there is no deadline
}

// waitQueue is who waitQueue for one direction, and until when. The stack lends it while somebody does. Once it has a timer for a
// deadline it stays with its connection.
type waitQueue struct {
	waiter
	writers  waiter // those who want to write after the one who does
	deadline deadline
}

// acquire lends h what it takes to wait. The entry's lock is held, here and below.
func (c *Conn) acquire(h *direction) *waitQueue {
	if h.waitQueue == nil {
		h.waitQueue = c.stack.waitQueues.Get().(*waitQueue)
		h.deadline.mu, h.deadline.stops = &c.entry.mu, h.waitQueue
	}
	return h.waitQueue
}

// release takes it back, if nobody waits any more and nothing else is in it.
func (c *Conn) release(h *direction) {
	w := h.waitQueue
	if w == nil || w.waiting > 0 || w.writers.waiting > 0 || w.deadline.passed || w.deadline.timer != nil {
		return
	}
	h.waitQueue, w.deadline.mu, w.deadline.stops = nil, nil, nil
	c.stack.waitQueues.Put(w)
}

// wait returns when h has been woken, or its deadline has passed. The lock is not held in between.
func (c *Conn) wait(h *direction) {
	c.acquire(h).wait(&c.entry.mu)
	c.release(h)
}

// waitWriteLock is wait for one's turn to write.
func (c *Conn) waitWriteLock() {
	c.acquire(&c.wr).writers.wait(&c.entry.mu)
	c.release(&c.wr)
}

func (c *Conn) setDeadline(h *direction, t time.Time) {
	if h.waitQueue == nil && t.IsZero() {
		return
	}
	c.acquire(h).deadline.set(t)
	c.release(h)
}

// passed reports whether calls fail because of the deadline.
func (h *direction) passed() bool { return h.waitQueue != nil && h.deadline.passed }

// wake makes one of those who wait look again, nextTurn one of those who want to write.
func (h *direction) wake() {
	if h.waitQueue != nil {
		h.waiter.wake()
	}
}

// broadcast makes broadcast of them look again.
func (w *waitQueue) broadcast() {
	w.waiter.broadcast()
	w.writers.broadcast()
}

func (h *direction) wakeWriter() {
	if h.waitQueue != nil {
		h.writers.wake()
	}
}

// stop makes those who wait look again, all of them.
func (h *direction) stop() {
	if h.waitQueue != nil {
		h.deadline.stop()
	}
}

// waiter lets goroutines wait for a condition that a mutex guards, without holding the mutex: a [sync.Cond] that knows
// whether anybody waits. All fields are guarded by the mutex.
//
// It takes less stack than a select does, so that a goroutine that waits to read gets by with the smallest.
type waiter struct {
	cond    sync.Cond
	waiting int // goroutines in wait
}

// wait returns when woken. The mutex is held on entry and on return, not in between.
func (w *waiter) wait(mu *sync.Mutex) {
	w.cond.L = mu
	w.waiting++
	w.cond.Wait()
	w.waiting--
}

// wake makes one goroutine that waits look again, if there is one; all, every one. They never block.
func (w *waiter) wake() {
	if w.waiting > 0 {
		w.cond.Signal()
	}
}

func (w *waiter) broadcast() {
	if w.waiting > 0 {
		w.cond.Broadcast()
	}
}

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
