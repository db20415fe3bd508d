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
	// ecnPause: a window of one segment was too much for the path, and now it may be tried again.
	ecnPause Time
	// ack: a delayed ACK is due.
	ack Time
	// orphan is when a connection that the application has closed may have to end (FIN-WAIT-2, linger, scarce memory).
	orphan Time
	// idle: the connection may have been idle for so long that active is not needed.
	idle Time
}

var noTimers = timers{Never, Never, Never, Never, Never, Never, Never, Never, Never}

func (t *timers) earliest() Time {
	return min(t.retransmit, t.giveUp, t.reorder, t.tailProbe, t.pace, t.ecnPause, t.ack, t.orphan, t.idle)
}

// Deadline is when Advance must be called at the latest; [Never] when nothing is due.
func (c *Conn) Deadline() Time {
	if c.active == nil {
		return c.keepAliveTimer
	}
	return min(c.keepAliveTimer, c.active.timer.earliest())
}

// Advance tells the connection what time it is. Calling it early or twice is harmless.
func (c *Conn) Advance(now Time) {
	if c.active != nil && now >= c.active.timer.earliest() {
		c.expire(now)
	}
	if now >= c.keepAliveTimer {
		c.keepAliveTimeout(now)
	}
}

// expire runs the timers of active that have expired.
func (c *Conn) expire(now Time) {
	if now >= c.active.timer.pace {
		c.active.timer.pace = Never // Transmit will see
	}
	if now >= c.active.timer.ecnPause {
		c.active.timer.ecnPause = Never
	}
	if now >= c.active.timer.ack {
		c.active.timer.ack = Never
		c.ack.due = true
	}
	if now >= c.active.timer.giveUp {
		c.fail(c.timeoutError())
		return
	}
	if now >= c.active.timer.orphan {
		if c.orphanTimeout(now); c.state == Closed {
			return
		}
	}
	if now >= min(c.active.timer.reorder, c.active.timer.tailProbe, c.active.timer.retransmit) {
		c.checkLimited(now)
	}
	if now >= c.active.timer.reorder {
		c.reorderTimeout(now)
	}
	if now >= c.active.timer.tailProbe {
		c.tailProbeTimeout(now)
	}
	if now >= c.active.timer.retransmit {
		c.active.timer.retransmit = Never
		c.retransmitTimeout(now)
	}
	if now >= c.active.timer.idle {
		c.idleTimeout(now)
	}
}
