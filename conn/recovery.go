package conn

import (
	"time"

	"minitcp/conn/cc"
	"minitcp/conn/rtt"
	"minitcp/conn/scoreboard"
	"minitcp/conn/seq"
)

// recovery is the state of loss recovery. An episode begins with the first loss and ends when all data sent before it
// is acknowledged. Losses are found by RACK or, for a peer without SACK, by three duplicate ACKs.
type recovery struct {
	phase           phase
	end             seq.Offset // RecoveryPoint: SND.MAX at the beginning of the last episode
	marked          seq.Offset // SND.MAX at the last reduction for a mark; a mark on earlier data has no effect
	reducing        bool       // the window is being reduced for a mark (ECN), without an episode
	frto            frto
	frtoNewSegments int // new segments that F-RTO may still send before lost ones

	prr prr

	// Without SACK: the duplicate ACKs since SND.UNA has advanced, and the bytes that have left the network by them.
	duplicates  int
	leftNetwork int64
}

// phase is the kind of episode.
type phase uint8

const (
	noRecovery      phase = iota
	fastRecovery          // after a loss, while ACKs arrive
	timeoutRecovery       // after a retransmission timeout
	resizing              // after a reduction of the path MTU, which is no sign of congestion
)

// frto is the step of F-RTO (RFC 5682), which detects spurious timeouts.
type frto uint8

const (
	frtoOff     frto = iota
	frtoFirst        // step 2: waits for the ACK of the first retransmission
	frtoNewData      // step 3: waits for the ACK of new data
)

// duplicateThreshold is the number of duplicate ACKs, or of SACKed segments, that indicate a loss (RFC 5681 3.2, RFC
// 6675 2).
const duplicateThreshold = 3

// pipe returns the number of bytes in the network: sent, and neither arrived nor lost.
func (c *Conn) pipe() int64 { return max(0, c.active.sent.InFlight()-c.active.recovery.leftNetwork) }

// congestionWindow returns the number of bytes that may be in the network.
func (c *Conn) congestionWindow() int64 {
	r := &c.active.recovery
	if (r.phase == fastRecovery || r.phase == noRecovery && r.reducing) && !c.active.cc.ModelBased() {
		return c.active.recovery.prr.cwnd
	}
	return c.active.cc.Window()
}

// takeACK processes an acceptable ACK: it updates the retransmission queue, detects losses, and informs congestion
// control.
func (c *Conn) takeACK(now Time, ack seq.Offset, s *Segment, windowBefore int32) {
	c.checkLimited(now)
	a := c.newArrival(now, s)
	before, unsent, flight := c.pipe(), c.active.cc.Window()-c.pipe(), int64(c.snd.nxt-c.snd.una)
	c.active.rounds.full = c.active.rounds.full || c.snd.blocked || unsent <= 0
	full := c.active.rounds.full || c.active.rounds.wasFull
	limited := full || c.active.cc.Window() < c.active.cc.SlowStartThreshold() && 2*before >= c.active.cc.Window()
	if c.sack {
		c.takeSACK(s, ack, &a)
	}
	if ack > c.snd.una {
		c.advance(now, ack, s, &a)
	}
	sample := c.active.sent.Sample(&a.Delivered)
	c.noteDeliveryRate(sample)
	round := c.active.rounds.passed(&a, c.active.sent.Delivered())
	if c.sack {
		c.updateRACK(&a)
		a.lost = c.detectLoss(now)
	} else {
		c.detectLossByDuplicates(now, s, ack, windowBefore, &a)
	}
	c.tailProbeAnswered(now, s, &a)
	c.episode(now, s, &a)
	ece := c.takeECE(now, ack, &s.TCP, flight, &a)
	if a.Bytes > 0 && (c.active.cc.ModelBased() || (a.advanced || c.reordering.reordered) && c.mayGrow(ece)) {
		c.active.cc.OnAck(cc.Ack{
			Now: time.Duration(now), Acked: a.Bytes, Delivered: c.active.sent.Delivered(), InFlight: c.pipe(),
			Limited: limited, Full: full, Paced: c.pacingRate() != 0, RTT: a.RTT(), SRTT: c.rtt.SRTT, Round: round, Sample: sample,
		})
	}
	c.snd.blocked = false
	if a.advanced {
		c.tuneSend()
		c.restartRetransmit(now)
		c.armTailProbe(now)
	}
}

// mayGrow reports whether an ACK may enlarge the congestion window. It may not while the window is being reduced, nor
// if it has ECE (RFC 3168 6.1.2).
//
// Deviation: after a timeout ECE is about earlier data, and the window grows from one segment nevertheless, as on
// Linux.
func (c *Conn) mayGrow(ece bool) bool {
	switch c.active.recovery.phase {
	case noRecovery, resizing:
		return !ece && !c.active.recovery.reducing
	case timeoutRecovery:
		return true
	}
	return false
}

// advance advances SND.UNA.
func (c *Conn) advance(now Time, ack seq.Offset, s *Segment, a *arrival) {
	a.advanced = true
	c.lastACKReceived = now
	c.active.sent.Acknowledge(ack, &a.Delivered)
	c.measure(now, ack, s, a)
	c.snd.una = ack
	c.snd.nxt = max(c.snd.nxt, ack)
	c.snd.buf.Acknowledge(c.cfg.Pool, ack)
	c.timeouts = 0
	c.softError = 0
	// Deviation from Karn's algorithm: progress without an RTT sample limits the backoff to four times the RTO. On a path
	// that loses a fifth of all segments, no segment that was sent once is ever measured, and timeouts would grow to two
	// minutes.
	c.rtt.Backoff = min(c.rtt.Backoff, 2)
}

// detectLossByDuplicates detects losses without SACK: of the oldest segment after three duplicate ACKs (RFC 5681 3.2),
// and of the next one after a partial ACK in an episode (RFC 6582 3.2).
func (c *Conn) detectLossByDuplicates(now Time, s *Segment, ack seq.Offset, windowBefore int32, a *arrival) {
	r := &c.active.recovery
	full := int64(c.fullSize())
	switch {
	case a.advanced:
		r.duplicates = 0
		if r.phase == fastRecovery && c.snd.una < r.end {
			// One of the acknowledged segments was the retransmission. The others had left the network before.
			r.leftNetwork = max(0, r.leftNetwork-max(0, a.Bytes-full))
			a.Bytes = min(a.Bytes, full)
			c.loseFirst(now, a)
		} else {
			r.leftNetwork = 0
		}
	case c.isDuplicate(s, ack, windowBefore):
		r.duplicates++
		arrived := c.active.sent.InFlight() // an upper limit, whatever number of ACKs the peer sends
		if r.phase == timeoutRecovery {
			// Retransmissions of data that had arrived cause duplicate ACKs too. Only new data counts.
			arrived = min(arrived, int64(c.snd.max-r.end))
		}
		r.leftNetwork = min(r.leftNetwork+full, arrived)
		a.Bytes = 0 // for congestion control; PRR counts duplicates by leftNetwork
		// Duplicate ACKs for data of the last episode are ignored: its retransmissions cause them too (RFC 6582 3.2).
		if r.phase == noRecovery && r.duplicates == duplicateThreshold && c.snd.una >= r.end {
			c.loseFirst(now, a)
		}
	}
}

// isDuplicate reports whether an ACK is a duplicate, which only a segment out of order can have caused (RFC 5681 2).
func (c *Conn) isDuplicate(s *Segment, ack seq.Offset, windowBefore int32) bool {
	return c.snd.una < c.snd.max && ack == c.snd.una && s.length() == 0 && c.snd.window == windowBefore && !c.snd.windowClosed()
}

// loseFirst marks the oldest unacknowledged segment lost.
func (c *Conn) loseFirst(now Time, a *arrival) {
	q := &c.active.sent
	if q.Empty() || q.First().State() != scoreboard.InFlight {
		return
	}
	if end := q.First().Start() + seq.Offset(c.fullSize()); end < q.First().End() {
		q.Split(q.First(), end)
	}
	c.lose(now, q.First())
	a.lost = true
}

// episode begins, continues or ends loss recovery.
func (c *Conn) episode(now Time, s *Segment, a *arrival) {
	r := &c.active.recovery
	if c.spurious(s, a) {
		c.undoEpisode(now)
	}
	switch {
	case r.phase == noRecovery:
		if c.active.sent.Lost() > 0 {
			c.enterRecovery(now, a.Bytes)
			r.prr.arrived(c, a)
		}
	case c.snd.una >= r.end:
		c.leaveRecovery()
	case r.phase == fastRecovery:
		r.prr.arrived(c, a)
	case r.phase == resizing:
		if a.lost {
			c.enterRecovery(now, a.Bytes)
			r.prr.arrived(c, a)
		}
	default:
		c.detectSpuriousTimeout(a)
	}
}

// enterRecovery begins an episode without a timeout. arrived is the number of bytes newly acknowledged by the ACK.
func (c *Conn) enterRecovery(now Time, arrived int64) {
	r := &c.active.recovery
	r.phase = fastRecovery
	r.end = c.snd.max
	c.beginUndo()
	c.startTimestamp(now)
	c.active.tailProbe = tailProbe{}
	c.active.timer.tailProbe = Never
	if r.reducing && c.active.sent.FirstLost().Start() < r.marked {
		c.active.undo.congested = true // the window is already being reduced for a mark in the same round trip
	} else {
		c.active.cc.OnLoss(c.lossNow(now))
		c.ecn.reduced()
		r.prr = prr{flight: max(1, c.pipe()+c.active.sent.Lost()+arrived), threshold: c.active.cc.Window()}
	}
	r.reducing = false
	r.prr.setWindow(c, int64(c.fullSize()))
}

// lossNow returns the description of a loss for congestion control, with FlightSize (RFC 5681 2).
func (c *Conn) lossNow(now Time) cc.Loss {
	return cc.Loss{
		Now: time.Duration(now), InFlight: int64(c.snd.nxt - c.snd.una), Pipe: c.pipe(),
		Full: c.active.rounds.full || c.active.rounds.wasFull || c.snd.blocked, Again: c.timeouts > 1,
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
		c.reordering.episodeOver()
		c.active.cc.OnRecovered()
	}
}

// detectSpuriousTimeout processes an ACK after a timeout. The first ACK that advances SND.UNA permits two new segments
// before other retransmissions, and the next ACK shows whether the other segments were lost (RFC 5682 3.1).
func (c *Conn) detectSpuriousTimeout(a *arrival) {
	switch r := &c.active.recovery; {
	case r.frto == frtoFirst && a.advanced:
		r.frto, r.frtoNewSegments = frtoNewData, frtoSegments
	case r.frto == frtoNewData:
		r.frtoNewSegments = 0
	}
}

// frtoSegments is the number of new segments that F-RTO sends.
const frtoSegments = 2

// retransmitTimeout runs when the retransmission timer expires (RFC 6298 5.4 to 5.7, RFC 8985 6.3).
func (c *Conn) retransmitTimeout(now Time) {
	c.rtt.Backoff = min(c.rtt.Backoff+1, rtt.MaxBackoff)
	c.active.timing.Cancel(now)
	if c.snd.una == c.snd.max || c.snd.windowClosed() && c.state.synchronized() {
		c.persistTimeout(now)
		return
	}
	c.stats.Timeouts++
	r := &c.active.recovery
	c.timeouts++
	if !c.state.synchronized() {
		c.snd.nxt = 0 // retransmits the SYN
		c.armRetransmit(now)
		return
	}
	q := &c.active.sent
	if !q.Empty() && q.First().State() == scoreboard.SACKed {
		c.renege(now)
	}
	if r.phase != timeoutRecovery {
		c.beginUndo()
		c.active.undo.timeout = true
	}
	c.startTimestamp(now)
	reduced := r.phase == fastRecovery // for losses that are not repaired
	patience := c.active.rack.rtt + c.reorderWindow()
	c.active.tailProbe = tailProbe{}
	c.active.timer.tailProbe, c.active.timer.reorder = Never, Never
	c.active.timer.ecnPause = Never
	r.phase = timeoutRecovery
	r.end = c.snd.max
	r.reducing = false
	c.ecn.reduced()
	r.leftNetwork, r.duplicates, r.frtoNewSegments, r.frto = 0, 0, 0, frtoFirst
	for q.Oldest() != nil && (!c.sack || q.Oldest().SentAt().Add(patience) <= now) {
		c.lose(now, q.Oldest())
	}
	if !q.Empty() && q.First().State() == scoreboard.InFlight {
		c.lose(now, q.First())
	}
	loss := c.lossNow(now)
	loss.Again = loss.Again || reduced
	c.active.cc.OnTimeout(loss)
	if q.Empty() {
		c.snd.nxt = c.snd.una // only a probe of a window that has opened since is in flight
	}
	c.armRetransmit(now)
}

// measure ends an RTT measurement if the ACK covers it.
func (c *Conn) measure(now Time, ack seq.Offset, s *Segment, a *arrival) {
	if c.active.timing.End != 0 {
		if ack >= c.active.timing.End {
			c.rtt.Sample(c.active.timing.Finish(now))
		}
		return
	}
	if d, ok := c.echoedRTT(now, s, a); ok {
		c.rtt.Sample(d)
	}
}

// restartRetransmit restarts the timer while data is unacknowledged, and stops it otherwise (RFC 6298 5.2, 5.3).
func (c *Conn) restartRetransmit(now Time) {
	c.active.timer.retransmit, c.active.timer.giveUp = Never, Never
	if c.snd.una < c.snd.max {
		c.armRetransmit(now)
	}
}

// rto returns the retransmission timeout.
func (c *Conn) rto() time.Duration { return c.rtt.Timeout(c.cfg.rtoLimits()) }

// armRetransmit starts the timer if it is not running (RFC 6298 5.1), and the timer of R2 with it.
func (c *Conn) armRetransmit(now Time) {
	if c.active.timer.retransmit == Never {
		c.active.timer.retransmit = now.Add(c.rto())
	}
	if c.active.timer.giveUp == Never {
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
		c.active.timer.giveUp = now.Add(limit)
	}
}
