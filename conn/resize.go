package conn

import (
	"minitcp/conn/scoreboard"
	"minitcp/conn/seq"
)

// resize sends the segments in flight that hold more than largest bytes of data again, in segments of the present size;
// the others stay in flight, and so do those sent before first, which have passed the router that dropped it. A router
// has dropped them for their size and not for congestion, so neither the window nor the measured loss rate changes (RFC
// 1191 6.5, RFC 8201 4).
func (c *Conn) resize(now Time, largest int, first scoreboard.Transmission) {
	if c.active.sent.MarkLarge(seq.Offset(largest), c.snd.buf.End(), first) {
		c.beginResizing(now)
	}
}

// beginResizing begins an episode in which segments that were too large are sent again.
func (c *Conn) beginResizing(now Time) {
	c.active.timing.Cancel(now)
	c.active.timer.retransmit = Never
	c.armRetransmit(now)
	r := &c.active.recovery
	if r.phase != noRecovery {
		return // this ends with the episode
	}
	r.phase, r.end, r.ignored = resizing, c.snd.max, c.snd.max
	r.reducing = false
	c.active.undo.Reset()
	c.startTimestamp(now)
	c.active.tailProbe = tailProbe{}
	c.active.timer.tailProbe = Never
}
