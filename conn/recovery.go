package conn

import (
	"time"

	"minitcp/conn/cc"
	"minitcp/conn/seq"
)

// recovery is the state of loss recovery. An episode begins with the first loss and ends when all data sent before it
// is acknowledged. Losses are found by RACK or, for a peer without SACK, by three duplicate ACKs.
type recovery struct {
	phase           phase
	reducing        bool // the window is being reduced for a mark (ECN), without an episode
	frto            frto
	frtoNewSegments int8       // new segments that F-RTO may still send before lost ones
	duplicates      int32      // without SACK: the duplicate ACKs since SND.UNA has advanced
	end             seq.Offset // RecoveryPoint: SND.MAX at the beginning of the last episode
	marked          seq.Offset // SND.MAX at the last reduction for a mark; a mark on earlier data has no effect

	prr cc.PRR

	// Without SACK: the bytes that have left the network by the duplicate ACKs, and the largest acknowledgment number of
	// those that retransmissions may have caused.
	leftNetwork int64
	ignored     seq.Offset
}

// phase is the kind of episode.
type phase uint8

const (
	noRecovery      phase = iota
	fastRecovery          // after a loss, while ACKs arrive
	timeoutRecovery       // after a retransmission timeout
	resizing              // after a reduction of the path MTU, which is no sign of congestion
)

// pipe returns the number of bytes in the network: sent, and neither arrived nor lost.
func (c *Conn) pipe() int64 { return max(0, c.active.sent.InFlight()-c.active.recovery.leftNetwork) }

// congestionWindow returns the number of bytes that may be in the network.
func (c *Conn) congestionWindow() int64 {
	r := &c.active.recovery
	if (r.phase == fastRecovery || r.phase == noRecovery && r.reducing) && !c.active.cc.ModelBased() {
		return c.active.recovery.prr.Window()
	}
	return c.active.cc.Window()
}

// episode begins, continues or ends loss recovery.
func (c *Conn) episode(now Time, s *Segment, a *arrival) {
	r := &c.active.recovery
	if p := c.spurious(s, a); p != noProof {
		c.undoEpisode(now, p)
	}
	switch {
	case r.phase == noRecovery:
		if c.active.sent.Lost() > 0 {
			c.enterRecovery(now, a.Bytes)
			c.reduceWindow(a)
		}
	case c.snd.una >= r.end:
		c.leaveRecovery()
	case r.phase == fastRecovery:
		c.reduceWindow(a)
	case c.beginsEpisode(a.losses):
		c.enterRecovery(now, a.Bytes)
		c.reduceWindow(a)
	default:
		c.detectSpuriousTimeout(a)
	}
}

// beginsEpisode reports whether losses begin an episode without a timeout. After a timeout, that is the loss of a
// retransmission, a second sign of congestion (RFC 5681 4.3); all other losses are of the same window of data. Without
// it, a peer that reports only the newest retransmission has all others sent again with every ACK.
func (c *Conn) beginsEpisode(l losses) bool {
	switch c.active.recovery.phase {
	case noRecovery, resizing:
		return l.any
	case timeoutRecovery:
		return l.retransmitted
	}
	return false
}

// reduceWindow passes an ACK to proportional rate reduction, during loss recovery or the reduction for a mark (RFC
// 9937).
func (c *Conn) reduceWindow(a *arrival) {
	delivered, full := a.Bytes, int64(c.fullSize())
	if !c.sack && !a.advanced {
		delivered = full // a duplicate ACK
	}
	if delivered == 0 && !a.losses.any {
		return
	}
	r := &c.active.recovery
	r.prr.OnAck(cc.Delivery{Bytes: delivered, Pipe: c.pipe(), MSS: full, Safe: a.advanced && !a.losses.any, Marked: r.reducing})
}

// enterRecovery begins an episode without a timeout. arrived is the number of bytes newly acknowledged by the ACK.
func (c *Conn) enterRecovery(now Time, arrived int64) {
	r := &c.active.recovery
	r.phase = fastRecovery
	r.end, r.ignored = c.snd.max, c.snd.max
	c.beginUndo()
	c.startTimestamp(now)
	c.active.tailProbe = tailProbe{}
	c.active.timer.tailProbe = Never
	if r.reducing && c.active.sent.FirstLost().Start() < r.marked {
		c.active.undo.Congested = true // the window is already being reduced for a mark in the same round trip
	} else {
		c.active.cc.OnLoss(c.lossNow(now))
		c.ecn.reduced()
		r.prr = cc.NewPRR(c.pipe()+c.active.sent.Lost()+arrived, c.active.cc.Window())
	}
	r.reducing = false
	r.prr.SetWindow(c.pipe() + int64(c.fullSize()))
}

// lossNow returns the description of a loss for congestion control, with FlightSize (RFC 5681 2).
func (c *Conn) lossNow(now Time) cc.Loss {
	return cc.Loss{
		Now: time.Duration(now), InFlight: int64(c.snd.nxt - c.snd.una), Pipe: c.pipe(),
		Full: c.active.rounds.WindowLimited() || c.snd.blocked, Again: c.timeouts > 1,
	}
}

// leaveRecovery ends the episode.
func (c *Conn) leaveRecovery() {
	r := &c.active.recovery
	r.reducing = false
	if r.phase == noRecovery {
		return
	}
	reduced := r.phase != resizing
	r.phase = noRecovery
	r.leftNetwork, r.duplicates = 0, 0
	r.frtoNewSegments, r.frto = 0, frtoOff
	c.active.timer.reorder = Never
	if reduced {
		c.reordering.EpisodeOver()
		c.active.cc.OnRecovered()
	}
}

// rto returns the retransmission timeout.
func (c *Conn) rto() time.Duration { return c.rtt.Timeout(c.cfg.rtoLimits()) }
