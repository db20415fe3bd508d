// Package wait blocks calls until they can continue, or a deadline passes. The caller's mutex guards everything.
package wait

import (
	"sync"
	"time"
)

// Direction is one direction of a connection or socket, as a resource that calls wait for. Its zero value is ready for
// use. The mutex in the arguments, which is held during each call, is the same in all of them.
type Direction struct {
	queue *queue // nil while no call is blocked and no deadline is set, which is the common case
}

// queue holds the calls that wait for one direction, and their deadline. It is lent from a pool, and stays with its
// direction once it has a timer.
type queue struct {
	waiter   Waiter
	turns    Waiter // calls that wait for their turn
	deadline Deadline
}

var queues = sync.Pool{New: func() any { return new(queue) }}

// acquire returns d's queue, which it takes from the pool if d has none.
func (d *Direction) acquire(mu *sync.Mutex) *queue {
	if d.queue == nil {
		d.queue = queues.Get().(*queue)
		d.queue.deadline.mu, d.queue.deadline.stops = mu, d.queue
	}
	return d.queue
}

// release returns d's queue to the pool if it is unused.
func (d *Direction) release() {
	q := d.queue
	if q == nil || q.waiter.waiting > 0 || q.turns.waiting > 0 || q.deadline.passed || q.deadline.timer != nil {
		return
	}
	d.queue, q.deadline.mu, q.deadline.stops = nil, nil, nil
	queues.Put(q)
}

// Wait returns when d has been woken or its deadline has passed. It releases the mutex meanwhile.
func (d *Direction) Wait(mu *sync.Mutex) {
	d.acquire(mu).waiter.Wait(mu)
	d.release()
}

// WaitTurn acts like Wait for calls that [Direction.WakeTurn] wakes: those that wait until another call has ended.
func (d *Direction) WaitTurn(mu *sync.Mutex) {
	d.acquire(mu).turns.Wait(mu)
	d.release()
}

// Wake wakes one blocked call.
func (d *Direction) Wake() {
	if d.queue != nil {
		d.queue.waiter.Wake()
	}
}

// WakeTurn wakes one call in WaitTurn.
func (d *Direction) WakeTurn() {
	if d.queue != nil {
		d.queue.turns.Wake()
	}
}

// Broadcast wakes all calls in Wait.
func (d *Direction) Broadcast() {
	if d.queue != nil {
		d.queue.waiter.Broadcast()
	}
}

// Used reports whether a call may be blocked or a deadline set.
func (d *Direction) Used() bool { return d.queue != nil }

// SetDeadline sets the deadline of calls, which wakes all of them when it passes. See [Deadline.Set].
func (d *Direction) SetDeadline(mu *sync.Mutex, t time.Time) {
	if d.queue == nil && t.IsZero() {
		return
	}
	d.acquire(mu).deadline.Set(t)
	d.release()
}

// Passed reports whether the deadline has passed.
func (d *Direction) Passed() bool { return d.queue != nil && d.queue.deadline.passed }

// Stop wakes all blocked calls, with the deadline passed for good. Later calls must not begin to wait.
func (d *Direction) Stop() {
	if d.queue != nil {
		d.queue.deadline.Stop()
	}
}

// broadcast wakes all calls.
func (q *queue) broadcast() {
	q.waiter.Broadcast()
	q.turns.Broadcast()
}

// Waiter lets goroutines wait for a condition that a mutex guards. It is a [sync.Cond] that counts its waiting
// goroutines, so that a wake without any is a comparison.
//
// It needs less stack than a select, so that a goroutine that waits to read keeps the smallest.
type Waiter struct {
	cond    sync.Cond
	waiting int // number of goroutines in Wait
}

// Wait returns when woken. The mutex is held on entry and on return, and released in between.
func (w *Waiter) Wait(mu *sync.Mutex) {
	w.cond.L = mu
	w.waiting++
	w.cond.Wait()
	w.waiting--
}

// Wake wakes one waiting goroutine, if there is one. It does not block.
func (w *Waiter) Wake() {
	if w.waiting > 0 {
		w.cond.Signal()
	}
}

// Broadcast wakes all waiting goroutines. It does not block.
func (w *Waiter) Broadcast() {
	if w.waiting > 0 {
		w.cond.Broadcast()
	}
}
