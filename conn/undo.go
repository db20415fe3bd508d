package conn

import (
	"minitcp/conn/buffer"
	"minitcp/conn/seq"
)

// undo answers: was the last episode a mistake? It was if what was sent again had only been late: an ACK echoes a
// timestamp from before the first retransmission (Eifel, RFC 3522), the peer says that it got every retransmission
// twice (D-SACK, RFC 3708), or, after a timeout, it acknowledges what was in flight before and has not been sent again
// (F-RTO, RFC 5682).
type undo struct {
	retransmitted buffer.RangeSet // what the episode has sent again, as far as it remembers
	armed         bool
	unproven      int64      // sent again and not yet known to have been for nothing
	first         seq.Offset // of the first retransmission
	stamp         uint32     // its TSVal, or the least of those sent before the episode that were in flight when it began
	stamped       bool       // stamp is set
	sent          bool       // there was one
	timeout       bool       // the episode began with a timeout
	// congested: a router has said that there was congestion, whether or not anything was lost. The window stays.
	congested bool
}

// maxUndoRanges is how many stretches are remembered. D-SACKs for more of them prove nothing.
const maxUndoRanges = 64

// beginUndo is called when an episode begins.
func (c *Conn) beginUndo() {
	c.active.undo = undo{retransmitted: c.active.undo.retransmitted[:0], armed: true}
	if c.active.sent.Retransmitted() > 0 {
		c.active.undo.note(c.active.sent.RetransmissionStamp())
	}
}

// note takes the TSVal of a retransmission.
func (u *undo) note(stamp uint32) {
	if !u.stamped || seq.Less(stamp, u.stamp) {
		u.stamped, u.stamp = true, stamp
	}
}

// resent is called for every retransmission of an episode.
func (u *undo) resent(stamp uint32, at seq.Offset, n int64) {
	if !u.sent {
		u.sent, u.first = true, at
		u.note(stamp)
	}
	u.unproven += n
	if len(u.retransmitted) < maxUndoRanges {
		u.retransmitted.Add(at, at+seq.Offset(n))
	}
}

// spurious reports whether the ACK proves that the episode was for nothing.
func (c *Conn) spurious(s *Segment, a *arrival) bool {
	u := &c.active.undo
	if !u.armed {
		return false
	}
	if !u.sent { // whatever was taken for lost has arrived before its turn to be sent again came
		return c.active.recovery.phase == fastRecovery && c.active.sent.Lost() == 0
	}
	u.unproven -= a.spurious
	switch {
	case a.advanced && c.snd.una > u.first && a.HasEcho && seq.Less(a.Echo, u.stamp):
		// It takes the place of the first retransmission, and comes from before any that could have filled a gap.
		return true
	case a.spurious > 0 && u.unproven <= 0:
		return true
	case c.active.recovery.phase == timeoutRecovery && a.FalselyLost:
		// An ACK of all data proves nothing (RFC 5682 2.1, step 2).
		return c.snd.una < c.active.recovery.end || c.active.recovery.frto == frtoNewData
	}
	return false
}

// undoEpisode gives back what the episode took. The backoff goes when a round trip has been measured, which the ACK that
// proves a timeout spurious mostly does: until then the timeout may still be shorter than the path (as RFC 4015 3.4 has it).
func (c *Conn) undoEpisode(now Time) {
	c.active.undo.armed = false
	if !c.active.undo.congested {
		c.active.cc.OnSpurious()
		c.ecn.cwr = false
	}
	c.stats.Spurious++
	if !c.active.undo.timeout {
		c.reordering.reordered = true // what was taken for lost had been overtaken
	}
	if c.active.recovery.phase == noRecovery {
		return
	}
	c.active.sent.RestoreLost()
	c.leaveRecovery()
	if c.active.sent.SACKed() > 0 {
		// No tail probe runs. Loss detection gets another chance even if no ACK follows, without a timeout.
		c.active.timer.reorder = now.Add(c.reorderWindow())
	}
}
