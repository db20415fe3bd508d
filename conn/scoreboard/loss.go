package scoreboard

import (
	"cmp"
	"math"
	"slices"

	"minitcp/conn/cc"
	"minitcp/conn/seq"
)

// The list of losses is in sequence order: the lowest is retransmitted first (RFC 6675 4, NextSeg).

// FirstLost returns the first lost record in sequence order, nil if none is lost.
func (q *Queue) FirstLost() *Record {
	if len(q.losses) == 0 {
		return nil
	}
	return q.losses[0]
}

// LastLost returns the last lost record in sequence order, nil if none is lost.
func (q *Queue) LastLost() *Record {
	if len(q.losses) == 0 {
		return nil
	}
	return q.losses[len(q.losses)-1]
}

// MarkLost declares r lost: it was in flight, or the receiver has discarded it after a SACK (RFC 2018 8). The result
// describes it to congestion control, and lacks only the time.
func (q *Queue) MarkLost(r *Record) cc.Lost {
	q.lose(r)
	return q.rate.lose(r)
}

// lose makes r, which is not lost, a loss.
func (q *Queue) lose(r *Record) {
	q.visits++
	q.detach(r)
	r.state = Lost
	q.bytes[Lost] += r.Size()
	q.addLoss(r)
}

func (q *Queue) addLoss(r *Record) {
	if n := len(q.losses); n == 0 || q.losses[n-1].start < r.start {
		q.losses = append(q.losses, r)
		return
	}
	q.losses = slices.Insert(q.losses, q.findLoss(r.start), r)
}

func (q *Queue) removeLoss(r *Record) {
	if q.losses[0] == r {
		q.losses = q.losses[1:]
		return
	}
	i := q.findLoss(r.start)
	q.losses = slices.Delete(q.losses, i, i+1)
}

// findLoss returns the index of the first loss that begins at o or later.
func (q *Queue) findLoss(o seq.Offset) int {
	q.visits++
	i, _ := slices.BinarySearchFunc(q.losses, o, func(r *Record, o seq.Offset) int { return cmp.Compare(r.start, o) })
	return i
}

// JoinLost returns the first lost record after joining it with the losses right behind it while they fit together in a
// segment of size bytes: data written in small pieces is not retransmitted in small segments. A record must be lost.
func (q *Queue) JoinLost(size int64) *Record {
	r := q.losses[0]
	if len(q.losses) > 1 && q.losses[1].start == r.end {
		q.joinLosses(q.find(r.start), size)
	}
	return r
}

// joinLosses joins record i, which is lost, with the losses right behind it while they fit together in size bytes.
func (q *Queue) joinLosses(i int, size int64) {
	r := q.list[i]
	for i+1 < len(q.list) {
		q.visits++
		next := q.list[i+1]
		if next.state != Lost || r.Size()+next.Size() > size {
			return
		}
		q.removeLoss(next)
		r.end, r.pushed = next.end, next.pushed
		q.remove(i + 1)
	}
}

// MarkTooLarge makes r, a segment in flight that was a probe of the path MTU, a loss, to be retransmitted in smaller
// segments. It does not count as lost for congestion control (RFC 4821 7.6.1).
func (q *Queue) MarkTooLarge(r *Record) { q.lose(r) }

// MarkLarge makes the segments in flight that hold more than largest data bytes losses, to be retransmitted in smaller
// segments, and reports whether there were any. A router has discarded them for their size, so they do not count as
// lost for congestion control (RFC 1191 6.5, RFC 8201 4). Segments sent before first have passed it. Data ends at
// dataEnd, where a FIN may follow. The short last segment of a record may fit.
func (q *Queue) MarkLarge(largest, dataEnd seq.Offset, first Transmission) (found bool) {
	for i := q.head; i < len(q.list); i++ {
		q.visits++
		r := q.list[i]
		data, step := min(r.end, dataEnd)-r.start, seq.Offset(r.step())
		if r.state != InFlight || min(data, step) <= largest || !r.transmission().after(first) {
			continue
		}
		if passed := (first.end - r.start) / step * step; r.serial == first.serial && passed > 0 {
			i = q.split(i, r.start+passed)
			continue
		}
		if last := data % step; last > 0 && last <= largest {
			i = q.split(i, r.start+data-last)
		}
		q.lose(r)
		found = true
	}
	if found {
		q.JoinLosses()
	}
	return found
}

// JoinLosses joins all losses that are next to each other: segments of another size have other boundaries.
func (q *Queue) JoinLosses() {
	for i := len(q.list) - 2; i >= q.head; i-- {
		if q.list[i].state == Lost {
			q.joinLosses(i, math.MaxInt64)
		}
	}
}
