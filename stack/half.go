package stack

import "time"

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
