package conn

import (
	"minitcp/conn/rtt"
	"minitcp/conn/scoreboard"
)

// retransmitTimeout runs when the retransmission timer expires (RFC 6298 5.4 to 5.7, RFC 8985 6.3).
func (c *Conn) retransmitTimeout(now Time) {
	if c.AwaitsData() {
		c.stopAwaitingData()
		return
	}
	c.rtt.Backoff = min(c.rtt.Backoff+1, rtt.MaxBackoff)
	c.active.timing.Cancel(now)
	if c.snd.una == c.snd.max || c.snd.windowClosed() && c.state.synchronized() {
		c.persistTimeout(now)
		return
	}
	c.stats.Timeouts++
	r := &c.active.recovery
	c.timeouts++
	if !c.state.synchronized() {
		c.retransmitSYN(now)
		return
	}
	if c.timeouts == fastOpenTimeouts {
		c.suspectFastOpen()
	}
	if c.accurate != nil {
		c.accurate.TimedOut()
	}
	fell := c.suspectBlackHole(now)
	q := &c.active.sent
	if !q.Empty() && q.First().State() == scoreboard.SACKed {
		c.renege(now)
	}
	if r.phase != timeoutRecovery {
		c.beginUndo()
		c.active.undo.Timeout = true
	}
	c.startTimestamp(now)
	reduced := r.phase == fastRecovery // for losses that are not repaired
	delay := c.lossDelay()
	c.active.tailProbe = tailProbe{}
	c.active.timer.tailProbe, c.active.timer.reorder = Never, Never
	c.active.timer.ecnPause = Never
	r.phase = timeoutRecovery
	r.end, r.ignored = c.snd.max, c.snd.max
	r.reducing = false
	c.ecn.reduced()
	r.leftNetwork, r.duplicates, r.frtoNewSegments, r.frto = 0, 0, 0, frtoFirst
	for q.Oldest() != nil && (!c.sack || q.Oldest().SentAt().Add(delay) <= now) {
		c.lose(now, q.Oldest())
	}
	if !q.Empty() && q.First().State() == scoreboard.InFlight {
		c.lose(now, q.First())
	}
	if fell {
		q.JoinLosses()
	}
	loss := c.lossNow(now)
	loss.Again = (loss.Again || reduced) && !fell
	c.active.cc.OnTimeout(loss)
	if q.Empty() {
		c.snd.nxt = c.snd.una // only a probe of a window that has opened since is in flight
	}
	c.armRetransmit(now)
}

// retransmitSYN runs when the SYN, or the SYN-ACK of a passive open with Fast Open, has not been answered in time.
// Before the answer nothing else is sent again (RFC 7413 4.2.2). The SYN-ACK is sent as often as a Handshake sends it.
func (c *Conn) retransmitSYN(now Time) {
	if c.early() && c.timeouts > maxSYNACKRetransmits {
		c.fail(c.timeoutError())
		return
	}
	c.active.synDue = true
	c.armRetransmit(now)
}

// restartRetransmit restarts the timer while data is unacknowledged, and stops it otherwise (RFC 6298 5.2, 5.3).
func (c *Conn) restartRetransmit(now Time) {
	c.active.timer.retransmit, c.active.timer.giveUp = Never, Never
	if c.snd.una < c.snd.max {
		c.armRetransmit(now)
	}
}

// armRetransmit starts the timer if it is not running (RFC 6298 5.1), and the timer of R2 with it.
func (c *Conn) armRetransmit(now Time) {
	if c.active.timer.retransmit == Never {
		c.active.timer.retransmit = now.Add(c.rto())
	}
	c.armGiveUp(now)
}

// armGiveUp starts the timer of R2, or in the handshake that of its time limit, if it is not running.
func (c *Conn) armGiveUp(now Time) {
	if c.active.timer.giveUp == Never {
		limit := c.cfg.R2
		if c.userLimit > 0 {
			limit = c.userLimit
		}
		if c.state == SynSent || c.state == SynReceived {
			limit = c.cfg.SYNTimeout // MUST-22, MUST-23
			if c.userLimit > 0 {
				limit = min(limit, c.userLimit)
			}
		}
		c.active.timer.giveUp = now.Add(limit)
	}
}
