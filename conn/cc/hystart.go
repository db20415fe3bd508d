package cc

import "time"

// hystart is HyStart++, which ends slow start before losses do. If the minimum RTT of a round exceeds that of the
// last round by an eighth, a queue is growing. Then the window grows more slowly for a few rounds, in conservative
// slow start. If the RTT falls again, the alarm was false; otherwise slow start ends (RFC 9406 4.2).
//
// That detects the queue a round trip late. A sender that paces can detect it within the round, because its own
// bursts do not lengthen the RTT; see [hystart.within].
type hystart struct {
	lastMin, thisMin time.Duration // minimum RTT of the last round and of this one; noRTT if there is none
	shortest         time.Duration // minimum RTT of all rounds
	samples          int           // RTT samples in this round
	base             time.Duration // cssBaselineMinRtt; 0 in ordinary slow start
	rounds           int           // rounds of conservative slow start so far
	over             bool          // slow start has ended once; after a timeout it runs without HyStart++

	long  int           // long samples in a row
	since time.Duration // time of the first of them
	late  bool          // this round had enough of them
	hold  hold
	held  bool // conservative slow start began because of long samples, and lasts as long as they do
}

// hold is the state of an alarm raised within a round.
type hold uint8

const (
	growing  hold = iota // no alarm
	alarmed              // alarm in this round
	checking             // alarm in the last round; this round, at the same window, confirms it or not
)

const (
	noRTT = time.Duration(1<<63 - 1)

	minRTTThreshold = 4 * time.Millisecond
	maxRTTThreshold = 16 * time.Millisecond
	rttDivisor      = 8
	rttSamples      = 8
	// longQueue is the factor by which the RTT may grow over all rounds. Deviation: RFC 9406 compares two rounds only.
	// Many flows that begin together on a short path lengthen each round by less than its threshold, without end.
	longQueue = 4

	cssDivisor = 4
	cssRounds  = 5

	// withinDivisor halves the threshold for samples within a round, because they are many. longTime is the shortest time
	// over which they must be long: after a single delay on the path, the delayed ACKs arrive together.
	withinDivisor = 2 * rttDivisor
	longTime      = time.Millisecond
)

func newHystart() hystart { return hystart{lastMin: noRTT, thisMin: noRTT, shortest: noRTT} }

// onAck processes an ACK in slow start and reports whether slow start ends.
func (h *hystart) onAck(a Ack) bool {
	if h.over {
		return false
	}
	if a.Round {
		h.lastMin, h.thisMin, h.samples = h.thisMin, noRTT, 0
		if h.base != 0 {
			h.rounds++
			if h.rounds >= cssRounds {
				h.end()
				return true
			}
		}
		h.nextHold()
	}
	if a.RTT > 0 {
		h.thisMin, h.shortest = min(h.thisMin, a.RTT), min(h.shortest, a.RTT)
		h.samples++
		if a.Paced {
			h.within(a)
		}
	}
	if h.samples < rttSamples || h.thisMin == noRTT || h.lastMin == noRTT {
		return false
	}
	if h.thisMin >= longQueue*h.shortest+minRTTThreshold {
		h.end()
		return true
	}
	if h.base != 0 {
		if !h.held && h.thisMin < h.base {
			h.base, h.rounds = 0, 0 // a false alarm
		}
		return false
	}
	if h.thisMin >= h.lastMin+threshold(h.lastMin, rttDivisor) {
		h.base, h.rounds = h.thisMin, 0
	}
	return false
}

// threshold returns RttThresh, the growth of the RTT over last that raises an alarm.
func threshold(last, divisor time.Duration) time.Duration {
	return max(minRTTThreshold, min(last/divisor, maxRTTThreshold))
}

// within detects a queue before the round is over: eight samples in a row that exceed the last round's minimum by a
// sixteenth. Then the window stays the same until the end of the next round. If that round has as many long samples,
// conservative slow start begins; otherwise slow start continues. Slow start does not end at once, because a sender
// that meets a queue of other flows would stay far behind them.
//
// Deviation: RFC 9406 uses only the minimum of a round, because without pacing most segments wait behind the sender's
// own bursts.
func (h *hystart) within(a Ack) {
	short := h.lastMin
	if h.held {
		short = h.base // from before the queue
	}
	if short == noRTT || a.RTT < short+threshold(short, withinDivisor) {
		h.long = 0
		return
	}
	if h.long == 0 {
		h.since = a.Now
	}
	h.long++
	if h.long >= rttSamples && a.Now-h.since >= longTime {
		h.late = true
		if h.base == 0 {
			h.hold = max(h.hold, alarmed)
		}
	}
}

// nextHold moves the alarm on at the beginning of a round.
func (h *hystart) nextHold() {
	switch {
	case h.held && !h.late:
		h.held, h.base, h.rounds = false, 0, 0 // a false alarm
	case h.hold == alarmed:
		h.hold = checking
	case h.hold == checking && h.late:
		h.hold = growing
		h.held, h.base, h.rounds = true, h.lastMin, 0
	default:
		h.hold = growing
	}
	h.late, h.long = false, 0
}

// growth returns the growth of the window for acked bytes. The RFC's limit for one ACK, L, is meant for senders that
// do not pace.
func (h *hystart) growth(acked int64) int64 {
	switch {
	case h.hold != growing:
		return 0
	case h.base != 0:
		return acked / cssDivisor
	}
	return acked
}

// end ends slow start. Later slow starts end at the threshold, and need no hystart.
func (h *hystart) end() {
	h.over = true
	h.base, h.hold, h.held = 0, growing, false
}
