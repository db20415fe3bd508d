package stack

import "time"

// half is one direction of a connection, as far as calls wait for it. Of most connections nobody waits for most of the
// time: then it is nothing.
type half struct {
	*waits // nil: nobody waits, and there is no deadline
}

// waits is who waits for one direction, and until when. The stack lends it while somebody does. Once it has a timer for a
// deadline it stays with its connection.
type waits struct {
	waiter
	turn     waiter // those who want to write after the one who does
	deadline deadline
}

// need lends h what it takes to wait. The entry's lock is held, here and below.
func (c *Conn) need(h *half) *waits {
	if h.waits == nil {
		h.waits = c.stack.waits.Get().(*waits)
		h.deadline.mu, h.deadline.stops = &c.entry.mu, h.waits
	}
	return h.waits
}

// spare takes it back, if nobody waits any more and nothing else is in it.
func (c *Conn) spare(h *half) {
	w := h.waits
	if w == nil || w.waiting > 0 || w.turn.waiting > 0 || w.deadline.passed || w.deadline.timer != nil {
		return
	}
	h.waits, w.deadline.mu, w.deadline.stops = nil, nil, nil
	c.stack.waits.Put(w)
}

// wait returns when h has been woken, or its deadline has passed. The lock is not held in between.
func (c *Conn) wait(h *half) {
	c.need(h).wait(&c.entry.mu)
	c.spare(h)
}

// waitTurn is wait for one's turn to write.
func (c *Conn) waitTurn() {
	c.need(&c.wr).turn.wait(&c.entry.mu)
	c.spare(&c.wr)
}

func (c *Conn) setDeadline(h *half, t time.Time) {
	if h.waits == nil && t.IsZero() {
		return
	}
	c.need(h).deadline.set(t)
	c.spare(h)
}

// passed reports whether calls fail because of the deadline.
func (h *half) passed() bool { return h.waits != nil && h.deadline.passed }

// wake makes one of those who wait look again, nextTurn one of those who want to write.
func (h *half) wake() {
	if h.waits != nil {
		h.waiter.wake()
	}
}

// all makes all of them look again.
func (w *waits) all() {
	w.waiter.all()
	w.turn.all()
}

func (h *half) nextTurn() {
	if h.waits != nil {
		h.turn.wake()
	}
}

// stop makes those who wait look again, all of them.
func (h *half) stop() {
	if h.waits != nil {
		h.deadline.stop()
	}
}
