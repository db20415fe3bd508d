package conn

import (
	"cmp"
	"slices"

	"minitcp/conn/seq"
)

// The list of losses is in sequence order: the lowest is sent again first (RFC 6675 4, NextSeg).

// lose makes r, which is in flight or has been reported as arrived by mistake, a loss.
func (q *sentQueue) lose(r *record) {
	q.visits++
	q.detach(r)
	r.fate = lost
	q.lost += r.size()
	q.addLoss(r)
}

func (q *sentQueue) addLoss(r *record) {
	if n := len(q.losses); n == 0 || q.losses[n-1].start < r.start {
		q.losses = append(q.losses, r)
		return
	}
	q.losses = slices.Insert(q.losses, q.findLoss(r.start), r)
}

func (q *sentQueue) removeLoss(r *record) {
	if q.losses[0] == r {
		q.losses = q.losses[1:]
		return
	}
	i := q.findLoss(r.start)
	q.losses = slices.Delete(q.losses, i, i+1)
}

// findLoss returns the index of the first loss that begins at o or later.
func (q *sentQueue) findLoss(o seq.Offset) int {
	q.visits++
	i, _ := slices.BinarySearchFunc(q.losses, o, func(r *record, o seq.Offset) int { return cmp.Compare(r.start, o) })
	return i
}

// joinLosses makes record i, which is lost, one with the losses right behind it while they fit a segment of size bytes
// together: data written in small pieces is not sent again in small segments.
func (q *sentQueue) joinLosses(i int, size int64) {
	r := q.list[i]
	for i+1 < len(q.list) {
		q.visits++
		next := q.list[i+1]
		if next.fate != lost || r.size()+next.size() > size {
			return
		}
		q.removeLoss(next)
		r.end = next.end
		q.remove(i + 1)
	}
}
