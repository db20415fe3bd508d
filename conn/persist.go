package conn

import (
	"minitcp/conn/seq"
	"minitcp/conn/window"
	"minitcp/conn/wire"
)

// While the peer's window is closed, it must be probed repeatedly, since the ACK that opens it may be lost and is not
// retransmitted (RFC 9293 3.8.6.1). The interval begins with one RTO and doubles (SHLD-29, SHLD-30).

// persistTimeout probes a closed window with the first byte beyond it (MUST-36). If the window is open but smaller than
// a useful segment, it makes Transmit send as much as fits (the override of RFC 9293 3.8.6.2.1).
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

// endProbes ends the probes' backoff if an ACK opens the window. It is called before the ACK is processed, because a
// pause after an ECN mark would last as long as the backoff otherwise. The backoff of earlier timeouts ends with an RTT
// sample only (Karn's algorithm).
func (c *Conn) endProbes(ack seq.Offset) {
	if c.active != nil && !c.snd.wnd.Closed(max(c.snd.una, ack)) {
		c.rtt.Backoff = min(c.rtt.Backoff, c.active.openBackoff)
		c.snd.windowProbe = false
	}
}

// persistACK processes the window of an acceptable ACK. While the window is closed, any ACK keeps the connection open,
// for as long as the peer keeps its window closed (MUST-37), unless the application has closed the connection or set a
// user timeout. When the window opens, data is sent at once.
func (c *Conn) persistACK(now Time, wasClosed bool) {
	if c.active == nil {
		return // no data waits for the window
	}
	if !c.snd.windowClosed() {
		if wasClosed {
			c.restartRetransmit(now)
		}
		return
	}
	if !wasClosed {
		c.active.openBackoff = c.rtt.Backoff
	}
	if c.active.timer.giveUp != Never && !c.orphan && c.userLimit == 0 {
		// The time begins with the next probe, which may be later than R2 from now.
		next := now
		if c.active.timer.retransmit != Never {
			next = max(now, c.active.timer.retransmit)
		}
		c.active.timer.giveUp = next.Add(c.cfg.R2)
	}
}

// acknowledgesFromBehind reports whether a segment without data that begins before RCV.NXT acknowledges new data, and
// either begins one byte before it or this end also sends from before SND.MAX.
//
// Deviation: RFC 9293 3.10.7.4 drops an unacceptable segment together with its ACK. An end whose send window has shrunk
// numbers its segments from the window's edge, which may be before its SND.MAX, and so before the peer's RCV.NXT. If
// both ends do that, each drops the ACK that would make the other's next segment acceptable, for ever. The same holds
// for two ends that probe each other's closed windows with one byte. While one end probes, its ACKs begin before the
// byte of the probe, which this end may have accepted meanwhile: without the ACK, it would wait for its timeout. The
// byte before RCV.NXT is not that of a FIN.
func (c *Conn) acknowledgesFromBehind(s *Segment, at seq.Offset) bool {
	const carries = wire.SYN | wire.FIN | wire.RST | wire.ACK
	nxt := c.rcv.nxt()
	if at >= nxt || at < nxt-window.MaxField<<c.rcv.scale || len(s.Data) > 0 || s.TCP.Flags&carries != wire.ACK || !c.state.synchronized() {
		return false
	}
	ack := seq.Unwrap(c.snd.iss, c.snd.una, s.TCP.Ack)
	return c.snd.una < ack && ack <= c.snd.max && (at == nxt-1 && !c.rcv.finDone || min(c.snd.nxt, c.snd.next()) < c.snd.max)
}
