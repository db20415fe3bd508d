package conn

import (
	"math"

	"minitcp/conn/seq"
)

// resize sends the segments in flight that hold more than largest bytes of data again, in segments of the present size; the
// others stay in flight. A router has dropped them for their size and not for congestion, so neither the window nor the
// measured loss rate changes (RFC 1191 6.5, RFC 8201 4).
func (c *Conn) resize(now Time, largest int) {
	if !c.loseLarge(seq.Offset(largest)) {
		return
	}
	c.active.timing.cancel(now)
	c.active.timer.retransmit = Never
	c.armRetransmit(now)
	r := &c.active.recovery
	if r.phase != noRecovery {
		return // its end is the end of this, too
	}
	r.phase, r.end = resizing, c.snd.max
	r.reducing = false
	c.active.undo = undo{retransmitted: c.active.undo.retransmitted[:0]}
	c.startTimestamp(now)
	c.active.tailProbe = tailProbe{}
	c.active.timer.tailProbe = Never
}

// loseLarge marks the segments in flight that hold more than largest data bytes as lost, and reports whether there was any.
// The short last segment of a record may fit.
//
// It walks all records. A connection's path MTU only falls, and never below minMTU4, so forged messages cause at most one walk
// for each byte of the difference: 949 where the MTU is 1500.
func (c *Conn) loseLarge(largest seq.Offset) (found bool) {
	q := &c.active.sent
	for i := q.head; i < len(q.list); i++ {
		q.visits++
		r := q.list[i]
		data, step := min(r.end, c.snd.buf.End())-r.start, seq.Offset(r.step())
		if r.fate != flying || min(data, step) <= largest {
			continue
		}
		if last := data % step; last > 0 && last <= largest {
			i = q.split(i, r.start+data-last)
		}
		q.lose(r)
		found = true
	}
	for i := len(q.list) - 2; found && i >= q.head; i-- { // they need not be cut where they were
		if q.list[i].fate == lost {
			q.joinLosses(i, math.MaxInt64)
		}
	}
	return found
}
