package conn

import "minitcp/conn/delack"

// timers are the times at which Advance must act. The driver needs only the earliest.
type timers struct {
	// retransmit is the time of the retransmission timeout, or of the next window probe.
	retransmit Time
	// giveUp is the end of R2 or the user timeout, while data is unacknowledged.
	giveUp Time
	// reorder is the time by which segments that may be reordered must arrive; later they are taken for lost.
	reorder Time
	// tailProbe is the time of the next tail probe.
	tailProbe Time
	// pace is the time at which the pacer permits the next segment.
	pace Time
	// ecnPause is the end of a pause after an ECN mark, if the congestion window is one segment and cannot become smaller.
	ecnPause Time
	// ack is the time of the delayed ACK.
	ack Time
	// orphan is the time at which a connection that the application has closed may have to end (FIN-WAIT-2, linger time,
	// scarce memory).
	orphan Time
	// idle is the time at which the connection may be idle, so that active can be released.
	idle Time
}

var noTimers = timers{Never, Never, Never, Never, Never, Never, Never, Never, Never}

func (t *timers) earliest() Time {
	return min(t.retransmit, t.giveUp, t.reorder, t.tailProbe, t.pace, t.ecnPause, t.ack, t.orphan, t.idle)
}

// Deadline returns the time by which Advance must be called, or [Never].
func (c *Conn) Deadline() Time {
	if c.active == nil {
		return c.keepAliveTimer
	}
	return min(c.keepAliveTimer, c.active.timer.earliest())
}

// Advance runs the timers that have expired. A call before Deadline has no effect.
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
		c.active.timer.pace = Never // the next Transmit asks the pacer
	}
	if now >= c.active.timer.ecnPause {
		c.active.timer.ecnPause = Never
	}
	if now >= c.active.timer.ack {
		c.active.timer.ack = Never
		c.ack.due = true
		var v delack.Values
		c.delayValues(&v)
		c.active.delay.Ended(&v)
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
