package stack

import "sync"

// waiter lets goroutines wait for a condition that a mutex guards, without holding the mutex. It is a token in a
// channel that says "look again": whoever takes it looks, and passes it on if there is something left for others.
// All fields are guarded by the mutex; nothing is allocated before somebody waits.
type waiter struct {
	token   chan struct{} // holds one
	waiting int           // goroutines in wait
	woken   bool          // the token is in the channel, or was taken by a goroutine that has not looked yet
}

// wait returns when woken or when cancel is closed. The mutex is held on entry and on return, not in between.
func (w *waiter) wait(mu *sync.Mutex, cancel <-chan struct{}) {
	if w.token == nil {
		w.token = make(chan struct{}, 1)
	}
	w.waiting++
	mu.Unlock()
	select {
	case <-w.token:
	case <-cancel:
	}
	mu.Lock()
	w.waiting--
	if w.woken {
		// If it was cancelled, the token may still be there; the caller passes it on.
		w.woken = false
		select {
		case <-w.token:
		default:
		}
	}
}

// wake makes one goroutine that waits look again, if there is one. It never blocks.
func (w *waiter) wake() {
	if w.waiting == 0 || w.woken {
		return
	}
	w.woken = true
	select {
	case w.token <- struct{}{}:
	default:
	}
}
