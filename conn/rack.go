package conn

import (
	"time"

	"minitcp/conn/scoreboard"
	"minitcp/conn/seq"
)

// rack detects losses: a segment is lost if a segment sent later has arrived, and the time since exceeds the reordering
// window (RFC 8985 6).
type rack struct {
	newest     scoreboard.Transmission // last transmission that has arrived: RACK.xmit_ts and RACK.end_seq
	rtt        time.Duration           // round-trip time of newest
	highest    seq.Offset              // end of the highest data that has arrived: RACK.fack
	dsackRound seq.Offset              // SND.NXT at the last D-SACK that counted; 0: none
}

// reordering describes the reordering of segments on the path.
type reordering struct {
	reordered  bool  // segments have arrived in a different order
	multiplier uint8 // factor of the reordering window, less one
	persist    uint8 // episodes after which multiplier returns to 0
}

// maxMultiplier limits the factor of the reordering window, and reorderPersist is the number of episodes for which a
// D-SACK has effect (RFC 8985 6.2, step 4).
const (
	maxMultiplier  = 100
	reorderPersist = 16
)

// updateRACK processes an ACK (RFC 8985 6.2, steps 1 to 3).
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

// widenReorderWindow processes a D-SACK: a retransmission was spurious, so the window was too short (step 4).
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

// reorderWindow returns the additional time for which a segment may be late: RACK.reo_wnd.
func (c *Conn) reorderWindow() time.Duration {
	r := &c.reordering
	if !r.reordered && (c.active.recovery.phase != noRecovery || c.active.sent.SACKed() > (duplicateThreshold-1)*int64(c.fullSize())) {
		// Three later segments have arrived, the last of them perhaps a short one (RFC 8985 6.2, step 4; RFC 6675 4).
		return 0
	}
	return min(time.Duration(int64(r.multiplier)+1)*c.rtt.Min/4, c.rtt.SRTT)
}

// losses is the result of loss detection.
type losses struct {
	any           bool // a segment was marked lost
	retransmitted bool // one of them was a retransmission
}

// detectLoss marks segments that are lost by now, and sets the timer for those that may be later (RFC 8985 6.2, step
// 5).
func (c *Conn) detectLoss(now Time) (found losses) {
	c.active.timer.reorder = Never
	q := &c.active.sent
	if q.SACKed() == 0 && c.active.recovery.phase == noRecovery || c.active.rack.newest.IsZero() {
		return losses{} // all data has arrived in order
	}
	patience := c.active.rack.rtt + c.reorderWindow()
	q.Overtake(c.active.rack.newest)
	for q.Overtaken() != nil && q.Oldest().SentAt().Add(patience) <= now {
		found.any = true
		found.retransmitted = found.retransmitted || q.Oldest().Retransmitted()
		c.lose(now, q.Oldest())
	}
	if r := q.Overtaken(); r != nil {
		c.active.timer.reorder = r.SentAt().Add(patience)
	}
	return found
}

// reorderTimeout runs when a segment is late by the reordering window (RFC 8985 6.2).
func (c *Conn) reorderTimeout(now Time) {
	if c.beginsEpisode(c.detectLoss(now)) {
		c.enterRecovery(now, 0)
	}
}
