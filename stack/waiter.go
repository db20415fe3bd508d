package stack

import "sync"

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
