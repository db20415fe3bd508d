package conn

// timers are the instants at which Advance has something to do. The driver needs only the earliest.
type timers struct {
	// retransmit: what is in flight was not acknowledged in time, or a closed window wants a probe.
	retransmit Time
	// giveUp: R2 or the user timeout; the peer has been silent for too long while something was owed.
	giveUp Time
	// reorder: what has not arrived by now has been lost.
	reorder Time
	// tailProbe: nothing was heard of the end of what was sent.
	tailProbe Time
	// pace: the pacer lets something go that is held back.
	pace Time
	// slow: a window of one segment was too much for the path, and now it may be tried again.
	slow Time
	// ack: a delayed ACK is due.
	ack Time
	// keepAlive: the connection may have been idle for long enough.
	keepAlive Time
	// orphan is when a connection that the application has closed may have to end (FIN-WAIT-2, linger, scarce memory).
	orphan Time
	// sleep: the connection may have been idle for so long that it goes to sleep.
	sleep Time
}

var noTimers = timers{Never, Never, Never, Never, Never, Never, Never, Never, Never, Never}

func (t *timers) earliest() Time {
	return min(t.retransmit, t.giveUp, t.reorder, t.tailProbe, t.pace, t.slow, t.ack, t.keepAlive, t.orphan, t.sleep)
}

// Deadline is when Advance must be called at the latest; [Never] when nothing is due.
func (c *Conn) Deadline() Time {
	if c.awake == nil {
		return c.dormant.keepAlive
	}
	return c.timer.earliest()
}

// Advance tells the connection what time it is. Calling it early or twice is harmless.
func (c *Conn) Advance(now Time) {
	if now < c.Deadline() {
		return
	}
	c.wake()
	if now >= c.timer.pace {
		c.timer.pace = Never // Transmit will see
	}
	if now >= c.timer.slow {
		c.timer.slow = Never
	}
	if now >= c.timer.ack {
		c.timer.ack = Never
		c.ack.due = true
	}
	if now >= c.timer.giveUp {
		c.fail(c.timeoutError())
		return
	}
	if now >= c.timer.orphan {
		if c.orphanTimeout(now); c.state == Closed {
			return
		}
	}
	if now >= min(c.timer.reorder, c.timer.tailProbe, c.timer.retransmit) {
		c.checkLimited(now)
	}
	if now >= c.timer.reorder {
		c.reorderTimeout(now)
	}
	if now >= c.timer.tailProbe {
		c.probeTimeout(now)
	}
	if now >= c.timer.retransmit {
		c.timer.retransmit = Never
		c.retransmitTimeout(now)
	}
	if now >= c.timer.keepAlive {
		c.keepAliveTimeout(now)
	}
	if now >= c.timer.sleep {
		c.sleepTimeout(now)
	}
}
