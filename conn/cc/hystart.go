package cc

import "time"

// hystart answers: has slow start gone far enough? A round trip whose shortest time is longer than the last one's by an
// eighth says that a queue grows. Then the window grows more slowly for a few rounds (conservative slow start); if the
// time falls again the alarm was false, else slow start ends (RFC 9406 4.2).
//
// That is a round trip late: the queue has had one to grow in. A sender that paces need not wait for it, since the times
// that grow within a round trip are not of its own bursts; see [hystart.within].
type hystart struct {
	lastMin, thisMin time.Duration // shortest of the last round and of this one, noRTT: none
	shortest         time.Duration // of all
	samples          int           // in this round
	base             time.Duration // cssBaselineMinRtt; 0: ordinary slow start
	rounds           int           // of conservative slow start so far
	over             bool          // slow start has ended once: what follows a timeout is the ordinary one

	long  int           // samples in a row that were long
	since time.Duration // when the first of them came
	late  bool          // in this round there were enough of them
	hold  hold
	held  bool // conservative slow start has begun for this, and goes on while it is so
}

// hold is how far it is with an alarm from within a round trip.
type hold uint8

const (
	growing  hold = iota // none
	alarmed              // in this round trip
	checking             // in the one before: is it so in this one, too, at the same window?
)

const (
	noRTT = time.Duration(1<<63 - 1)

	minRTTThreshold = 4 * time.Millisecond
	maxRTTThreshold = 16 * time.Millisecond
	rttDivisor      = 8
	rttSamples      = 8
	// longQueue is by how much a round trip may have become longer in all. Deviation: RFC 9406 looks at two rounds only, and
	// many flows that begin together where round trips are short lengthen each by less than it looks for, for ever.
	longQueue = 4

	cssDivisor = 4
	cssRounds  = 5

	// Of the times within a round trip, half of the difference will do: they are many. LongTime keeps one delay, after
	// which what it has kept back arrives together, from being taken for a queue.
	withinDivisor = 2 * rttDivisor
	longTime      = time.Millisecond
)

func newHystart() hystart { return hystart{lastMin: noRTT, thisMin: noRTT, shortest: noRTT} }

// onAck takes an ACK in slow start and reports whether that is to end.
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

// threshold is by how much longer than last a round trip must be: RttThresh.
func threshold(last, divisor time.Duration) time.Duration {
	return max(minRTTThreshold, min(last/divisor, maxRTTThreshold))
}

// within looks for a queue before the round trip is over: eight samples in a row that are longer than the last one's
// shortest by a sixteenth. Then the window stays until the next round trip is over; if it was so in that, too, slow start
// becomes the conservative one, else it goes on as it was. To end it here would leave a sender that finds a queue others
// have made far behind them.
//
// Deviation: RFC 9406 looks at the shortest of a round trip only, because without pacing most others wait behind the
// sender's own bursts.
func (h *hystart) within(a Ack) {
	short := h.lastMin
	if h.held {
		short = h.base // of before there was a queue
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

// nextHold begins a round trip.
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

// growth is by how much the window may grow for acked octets. The RFC's limit for one ACK, L, is for senders that do not
// pace.
func (h *hystart) growth(acked int64) int64 {
	switch {
	case h.hold != growing:
		return 0
	case h.base != 0:
		return acked / cssDivisor
	}
	return acked
}

// end: slow start is over, and later ones need no help: their threshold is known.
func (h *hystart) end() {
	h.over = true
	h.base, h.hold, h.held = 0, growing, false
}
