package conn

import (
	"minitcp/conn/seq"
	"minitcp/conn/wire"
)

// A closed window must be asked about again and again, for the ACK that opens it may get lost and nobody repeats ACKs
// (RFC 9293 3.8.6.1). The probes are spaced like retransmissions, from one RTO on, doubling (SHLD-29, SHLD-30).

// persistTimeout probes a closed window with the first octet beyond it (MUST-36), or, if the window is open but too
// small to be worth a segment by itself, sends what fits: the override of RFC 9293 3.8.6.2.1.
func (c *Conn) persistTimeout(now Time) {
	if c.snd.una == c.snd.end() {
		return
	}
	c.active.sent.Clear()
	c.leaveRecovery()
	c.snd.nxt = c.snd.una
	if c.snd.windowClosed() {
		c.snd.windowProbe = true
	} else {
		c.snd.overrideSWS = true
	}
	c.armRetransmit(now)
}

// persistACK is called for every acceptable ACK. While the window is closed, an answer to a probe is proof of life:
// the connection stays open however long the peer keeps its window closed (MUST-37). Not so when nobody waits for the
// data any more, or when the application set a limit. When the window has opened, what the probes spaced out goes at once.
func (c *Conn) persistACK(now Time, wasClosed bool) {
	if c.active == nil {
		return // nothing waits for the window
	}
	if !c.snd.windowClosed() {
		if wasClosed {
			c.rtt.backoff = 0
			c.snd.windowProbe = false
			c.restartRetransmit(now)
		}
		return
	}
	if c.active.timer.giveUp != Never && !c.orphan && c.userLimit == 0 {
		// Silence begins with the next probe, which may be further away than R2.
		next := now
		if c.active.timer.retransmit != Never {
			next = max(now, c.active.timer.retransmit)
		}
		c.active.timer.giveUp = next.Add(c.cfg.R2)
	}
}

// acknowledgesFromBehind reports whether a segment without data that begins before RCV.NXT acknowledges something new
// while this end, too, sends from before SND.MAX.
//
// Deviation: RFC 9293 3.10.7.4 drops an unacceptable segment together with its ACK. An end whose send window has shrunk
// numbers its segments from the window's edge, which may lie before its SND.MAX, and so before the peer's RCV.NXT. If
// both ends do that, each drops the ACK that would make the other's next segment acceptable, for ever. Two ends that probe
// each other's closed windows with one byte are in the same position.
func (c *Conn) acknowledgesFromBehind(s *Segment, at seq.Offset) bool {
	const carries = wire.SYN | wire.FIN | wire.RST | wire.ACK
	nxt := c.rcv.nxt()
	if at >= nxt || at < nxt-maxWindowField<<c.rcv.scale || len(s.Data) > 0 || s.TCP.Flags&carries != wire.ACK || !c.state.synchronized() {
		return false
	}
	ack := seq.Unwrap(c.snd.iss, c.snd.una, s.TCP.Ack)
	return c.snd.una < ack && ack <= c.snd.max && min(c.snd.nxt, c.snd.next()) < c.snd.max
}
