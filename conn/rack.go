package conn

import (
	"time"

	"minitcp/conn/scoreboard"
	"minitcp/conn/seq"
)

// rack answers: what has been lost? What was sent before something that has arrived, and by longer than the path may
// have changed their order (RFC 8985 6).
type rack struct {
	newest     scoreboard.Transmission // the last of what has arrived, in place of RACK.xmit_ts and RACK.end_seq
	rtt        time.Duration           // its round trip
	highest    seq.Offset              // end of the highest octet that has arrived: RACK.fack
	dsackRound seq.Offset              // a D-SACK counts once per round trip, which ends when this is acknowledged; 0: none has
}

// reordering is what is known of the path's changes of order.
type reordering struct {
	reordered  bool  // segments have arrived in another order than they were sent in
	multiplier uint8 // of the window for reordering, less one
	persist    uint8 // episodes after which it falls back
}

// maxMultiplier and reorderPersist: the window grows to the smoothed round trip at the most, and what made it grow is
// remembered for so many episodes (RFC 8985 6.2, step 4).
const (
	maxMultiplier  = 100
	reorderPersist = 16
)

// updateRACK takes what an ACK says (RFC 8985 6.2, steps 1 to 3).
func (c *Conn) updateRACK(a *arrival) {
	if a.Bytes == 0 {
		return
	}
	r := &c.active.rack
	if t := a.Newest.Transmission(); t.After(r.newest) {
		r.newest, r.rtt = t, a.Now.Sub(a.Newest.SentAt())
	}
	if a.LowestOriginal != 0 && a.LowestOriginal < r.highest {
		c.reordering.reordered = true
	}
	r.highest = max(r.highest, a.Highest)
}

// widenReorderWindow takes a D-SACK: something was sent again for nothing, so the window was too short (step 4).
func (c *Conn) widenReorderWindow(una, nxt seq.Offset) {
	if r := &c.active.rack; r.dsackRound != 0 && una < r.dsackRound {
		return
	}
	c.active.rack.dsackRound = nxt
	c.reordering.multiplier = min(c.reordering.multiplier+1, maxMultiplier)
	c.reordering.persist = reorderPersist
}

// episodeOver is called when loss recovery ends.
func (r *reordering) episodeOver() {
	if r.persist > 0 {
		if r.persist--; r.persist == 0 {
			r.multiplier = 0
		}
	}
}

// reorderWindow is how much later than expected something may arrive: RACK.reo_wnd.
func (c *Conn) reorderWindow() time.Duration {
	r := &c.reordering
	if !r.reordered && (c.active.recovery.phase != noRecovery || c.active.sent.SACKed() > (duplicateThreshold-1)*int64(c.fullSize())) {
		// Three segments after it have arrived, the last of them perhaps a short one (RFC 8985 6.2, step 4; RFC 6675 4).
		return 0
	}
	return min(time.Duration(int64(r.multiplier)+1)*c.rtt.Min/4, c.rtt.SRTT)
}

// detectLoss finds what has been lost by now, and arms the timer for what will have been (RFC 8985 6.2, step 5).
func (c *Conn) detectLoss(now Time) (found bool) {
	c.active.timer.reorder = Never
	q := &c.active.sent
	if q.SACKed() == 0 && c.active.recovery.phase == noRecovery || c.active.rack.newest.IsZero() {
		return false // all that has arrived came in order
	}
	patience := c.active.rack.rtt + c.reorderWindow()
	q.Overtake(c.active.rack.newest)
	for q.Overtaken() != nil && q.Oldest().SentAt().Add(patience) <= now {
		c.lose(now, q.Oldest())
		found = true
	}
	if r := q.Overtaken(); r != nil {
		c.active.timer.reorder = r.SentAt().Add(patience)
	}
	return found
}

// reorderTimeout is what happens when something has not come although it had its time (RFC 8985 6.2).
func (c *Conn) reorderTimeout(now Time) {
	if phase := c.active.recovery.phase; c.detectLoss(now) && (phase == noRecovery || phase == resizing) {
		c.enterRecovery(now, 0)
	}
}
