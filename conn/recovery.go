package conn

import (
	"minitcp/conn/cc"
	"minitcp/conn/seq"
	"minitcp/conn/wire"
)

// recovery answers: what has been lost? Three duplicate ACKs say that the oldest segment was (RFC 5681 3.2); a partial
// ACK during the episode that the next one was too (RFC 6582, NewReno); a timeout, that all of it may be.
type recovery struct {
	active     bool
	recover    seq.Offset // highest octet sent when the last episode began
	duplicates int        // duplicate ACKs since SND.UNA moved
	left       int64      // octets those ACKs say have left the network
	partial    bool       // a partial ACK has restarted the timer in this episode
	retransmit bool       // the segment at SND.UNA is to be sent again
	timeouts   int        // of the same segment in a row
}

// duplicateThreshold is how many duplicate ACKs make a loss.
const duplicateThreshold = 3

// acceptACK takes an ACK for something new.
func (c *Conn) acceptACK(now Time, ack seq.Offset, s *Segment) {
	acked := int64(ack - c.snd.una)
	inFlight := int64(c.snd.nxt - c.snd.una)
	c.measure(now, ack, s)

	c.snd.una = ack
	c.snd.nxt = max(c.snd.nxt, ack)
	c.snd.buf.acknowledge(c.cfg.Pages, ack)
	c.recovery.timeouts = 0
	c.recovery.duplicates = 0
	c.softError = 0
	// Deviation from Karn's algorithm: progress without a measurement keeps the backoff, but only up to four times the
	// RTO. On a path that loses a fifth of all segments nothing sent once is ever measured, and a timeout of two
	// minutes per segment would be all that is left.
	c.rtt.backoff = min(c.rtt.backoff, 2)

	if c.recovery.active {
		c.acceptACKInRecovery(now, ack, acked)
	} else {
		c.cc.OnAck(cc.Ack{Acked: acked, Limited: c.snd.blocked || inFlight >= c.cc.Window()})
		c.restartRetransmit(now)
	}
	c.snd.blocked = false
}

// acceptACKInRecovery ends the episode when everything sent before it is acknowledged, and else retransmits the next
// hole (RFC 6582 3.2, steps 3 and 4).
func (c *Conn) acceptACKInRecovery(now Time, ack seq.Offset, acked int64) {
	r := &c.recovery
	if ack >= r.recover {
		r.active = false
		r.left = 0
		c.cc.OnRecovered(int64(c.snd.nxt - ack))
		c.restartRetransmit(now)
		return
	}
	// Of what it acknowledged, one segment was the retransmission; the others had left the network long before.
	r.left = max(0, r.left-max(0, acked-int64(c.fullSize())))
	r.retransmit = true
	if !r.partial {
		r.partial = true // only the first partial ACK restarts the timer, so that a long episode ends in a timeout
		c.restartRetransmit(now)
	}
}

// duplicateACK takes an ACK for nothing new. It is a sign of loss only if it can have no other meaning (RFC 5681 2):
// without SACK, if it does not change the window either. With SACK it says itself that something is missing
// (RFC 6675 2), and how much has arrived beyond that: with superframes there are few ACKs, and all change the window.
func (c *Conn) duplicateACK(s *Segment, ack seq.Offset, windowBefore int64) {
	r := &c.recovery
	outstanding := c.snd.una < c.snd.max
	if !outstanding || ack != c.snd.una || s.length() > 0 || c.snd.windowClosed() {
		return
	}
	beyond := c.sackedBeyond(&s.TCP.Options)
	if beyond == 0 && c.snd.window != windowBefore {
		return
	}
	r.duplicates++
	if beyond > (duplicateThreshold-1)*int64(c.fullSize()) { // RFC 6675 4, IsLost
		r.duplicates = max(r.duplicates, duplicateThreshold)
	}
	if r.active {
		r.left += int64(c.fullSize())
		return
	}
	// Not for what was sent before the last episode: its retransmissions make duplicate ACKs too (RFC 6582 3.2, step 2).
	if r.duplicates == duplicateThreshold && c.snd.una > r.recover {
		r.active = true
		r.partial = false
		r.recover = c.snd.max
		r.retransmit = true
		r.left = duplicateThreshold * int64(c.fullSize())
		c.cc.OnLoss(cc.Loss{InFlight: int64(c.snd.nxt - c.snd.una)})
	}
}

// sackedBeyond is how many octets beyond SND.UNA the blocks say have arrived. A block below it, of something that came
// twice (RFC 2883), says nothing.
func (c *Conn) sackedBeyond(o *wire.Options) (n int64) {
	if !c.sack {
		return 0
	}
	for _, b := range o.SACK[:o.SACKCount] {
		left := seq.Unwrap(c.snd.iss, c.snd.una, b.Left)
		right := seq.Unwrap(c.snd.iss, c.snd.una, b.Right)
		if c.snd.una < left && left < right && right <= c.snd.max {
			n += int64(right - left)
		}
	}
	return n
}

// inNetwork estimates how many octets are on the way.
func (c *Conn) inNetwork() int64 {
	return max(0, int64(c.snd.nxt-c.snd.una)-c.recovery.left)
}

// measure ends an RTT measurement the ACK finishes.
func (c *Conn) measure(now Time, ack seq.Offset, s *Segment) {
	if c.rtt.timed != 0 {
		if ack >= c.rtt.timed {
			c.rtt.sample(now.Sub(c.rtt.timedAt))
			c.rtt.timed = 0
		}
		return
	}
	if d, ok := c.echoedRTT(now, s); ok {
		c.rtt.sample(d)
	}
}

// restartRetransmit starts the timer anew while something is unacknowledged, else stops it (RFC 6298 5.2, 5.3).
func (c *Conn) restartRetransmit(now Time) {
	c.timer.retransmit, c.timer.giveUp = Never, Never
	if c.snd.una < c.snd.max {
		c.armRetransmit(now)
	}
}

// armRetransmit starts the timer if it is not running (RFC 6298 5.1), and with it the limit on silence.
func (c *Conn) armRetransmit(now Time) {
	if c.timer.retransmit == Never {
		c.timer.retransmit = now.Add(c.rtt.timeout(c.cfg))
	}
	if c.timer.giveUp == Never {
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
		c.timer.giveUp = now.Add(limit)
	}
}

// retransmitTimeout is what happens when the retransmission timer runs out (RFC 6298 5.4 to 5.7).
func (c *Conn) retransmitTimeout(now Time) {
	c.rtt.backoff = min(c.rtt.backoff+1, maxBackoff)
	c.rtt.cancel(now)
	if c.snd.una == c.snd.max || c.snd.windowClosed() && c.state.synchronized() {
		c.persistTimeout(now)
		return
	}
	r := &c.recovery
	if c.cc != nil {
		c.cc.OnTimeout(cc.Loss{InFlight: int64(c.snd.max - c.snd.una), Again: r.timeouts > 0})
	}
	r.timeouts++
	r.active = false
	r.retransmit = false
	r.left = 0
	r.duplicates = 0
	r.recover = c.snd.max
	c.snd.nxt = c.snd.una // all of it again, as the window allows
	c.stats.Timeouts++
	c.armRetransmit(now)
}
