package cc

import "time"

// hystart answers: has slow start gone far enough? A round trip whose shortest time is longer than the last one's by an
// eighth says that a queue grows. Then the window grows more slowly for a few rounds (conservative slow start); if the
// time falls again the alarm was false, else slow start ends (RFC 9406 4.2).
type hystart struct {
	lastMin, thisMin time.Duration // shortest of the last round and of this one, noRTT: none
	samples          int           // in this round
	base             time.Duration // cssBaselineMinRtt; 0: ordinary slow start
	rounds           int           // of conservative slow start so far
	over             bool          // slow start has ended once: what follows a timeout is the ordinary one
}

const (
	noRTT = time.Duration(1<<63 - 1)

	minRTTThreshold = 4 * time.Millisecond
	maxRTTThreshold = 16 * time.Millisecond
	rttDivisor      = 8
	rttSamples      = 8
	cssDivisor      = 4
	cssRounds       = 5
)

func newHystart() hystart { return hystart{lastMin: noRTT, thisMin: noRTT} }

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
	}
	if a.RTT > 0 {
		h.thisMin = min(h.thisMin, a.RTT)
		h.samples++
	}
	if h.samples < rttSamples || h.thisMin == noRTT || h.lastMin == noRTT {
		return false
	}
	if h.base != 0 {
		if h.thisMin < h.base {
			h.base, h.rounds = 0, 0 // a false alarm
		}
		return false
	}
	threshold := max(minRTTThreshold, min(h.lastMin/rttDivisor, maxRTTThreshold))
	if h.thisMin >= h.lastMin+threshold {
		h.base, h.rounds = h.thisMin, 0
	}
	return false
}

// growth is by how much the window may grow for acked octets. The RFC's limit for one ACK, L, is for senders that do not
// pace.
func (h *hystart) growth(acked int64) int64 {
	if h.base != 0 {
		return acked / cssDivisor
	}
	return acked
}

// end: slow start is over, and later ones need no help: their threshold is known.
func (h *hystart) end() {
	h.over = true
	h.base = 0
}
