package conn

import "time"

// maxReordering limits the reordering that Info reports, as on Linux.
const maxReordering = 300

// noteReordering records that a segment has been late by some bytes. Info counts the segment itself too, as Linux does.
func (c *Conn) noteReordering(late int64) {
	c.reordering.Note()
	size := int64(c.fullSize())
	c.active.reordering = max(c.active.reordering, uint16(min((late+size-1)/size+1, maxReordering)))
}

// reorderWindow returns the additional time for which a segment may be late: RACK.reo_wnd.
func (c *Conn) reorderWindow() time.Duration {
	if c.reordering.Seen == 0 && (c.active.recovery.phase != noRecovery || c.active.sent.SACKed() > (duplicateThreshold-1)*int64(c.fullSize())) {
		// Three later segments have arrived, the last of them perhaps a short one (RFC 8985 6.2, step 4; RFC 6675 4).
		return 0
	}
	return c.reordering.Window(c.rtt.Min, c.rtt.SRTT)
}

// lossDelay returns the time after its transmission at which a segment is lost if one sent later has arrived.
func (c *Conn) lossDelay() time.Duration { return c.active.rack.RTT + c.reorderWindow() }

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
	if q.SACKed() == 0 && c.active.recovery.phase == noRecovery || c.active.rack.Newest.IsZero() {
		return losses{} // all data has arrived in order
	}
	delay := c.lossDelay()
	q.Overtake(c.active.rack.Newest)
	probe := false
	for q.Overtaken() != nil && q.Oldest().SentAt().Add(delay) <= now {
		if c.path.IsProbe(q.Oldest().Start()) {
			probe = true
			c.failedProbe(now, q.Oldest())
			continue
		}
		found.any = true
		found.retransmitted = found.retransmitted || q.Oldest().Retransmitted()
		c.lose(now, q.Oldest())
	}
	if probe {
		c.judgeProbe(now, found)
	}
	if r := q.Overtaken(); r != nil {
		c.active.timer.reorder = r.SentAt().Add(delay)
	}
	return found
}

// reorderTimeout runs when a segment is late by the reordering window (RFC 8985 6.2).
func (c *Conn) reorderTimeout(now Time) {
	if c.beginsEpisode(c.detectLoss(now)) {
		c.enterRecovery(now, 0)
	}
}
