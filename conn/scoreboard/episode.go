package scoreboard

import (
	"minitcp/conn/buffer"
	"minitcp/conn/seq"
)

// Episode holds the retransmissions of an episode of loss recovery, by which the episode can be proved spurious.
type Episode struct {
	ranges   buffer.RangeSet // up to maxResent
	unproven int64           // bytes retransmitted and not yet reported as duplicates
	first    seq.Offset      // start of the first retransmission, 0: there is none
	tsval    uint32          // its TSVal, or an older one of retransmissions in flight at the beginning
	Armed    bool            // the episode may be undone
	Timeout  bool            // the episode began with a timeout
	// Congested is set if a router has reported congestion with a mark. The window then stays reduced.
	Congested bool
	hasTSVal  bool // tsval is set
}

// maxResent limits the ranges. D-SACKs for other ranges prove nothing.
const maxResent = 64

// Reset begins a new episode.
func (e *Episode) Reset() { *e = Episode{ranges: e.ranges[:0]} }

// First returns the start of the first retransmission, 0 if there is none.
func (e *Episode) First() seq.Offset { return e.first }

// Unproven returns the number of bytes that have been retransmitted and not been reported as duplicates.
func (e *Episode) Unproven() int64 { return e.unproven }

// Contains reports whether all of [start, end) has been retransmitted.
func (e *Episode) Contains(start, end seq.Offset) bool { return e.ranges.Contains(start, end) }

// Note records the TSVal of a retransmission.
func (e *Episode) Note(tsval uint32) {
	if !e.hasTSVal || seq.Less(tsval, e.tsval) {
		e.hasTSVal, e.tsval = true, tsval
	}
}

// Add records a retransmission of n bytes.
func (e *Episode) Add(tsval uint32, at seq.Offset, n int64) {
	if e.first == 0 {
		e.first = at
		e.Note(tsval)
	}
	e.unproven += n
	if len(e.ranges) < maxResent {
		e.ranges.Add(at, at+seq.Offset(n))
	}
}

// Precedes reports whether a timestamp is older than those of all retransmissions.
func (e *Episode) Precedes(tsval uint32) bool { return seq.Less(tsval, e.tsval) }

// Duplicates records that the peer has received n retransmitted bytes twice, and reports whether it has now done so
// with all of them.
func (e *Episode) Duplicates(n int64) (all bool) {
	e.unproven -= n
	return n > 0 && e.unproven <= 0
}
