package conn

import (
	"slices"

	"minitcp/conn/seq"
)

// The list of records in flight is in the order of their last transmissions, as RACK needs it (RFC 8985 6.2).

// transmission is the place of a record's last transmission among all others.
type transmission struct {
	serial uint64 // number of the transmission, from 1 on; 0: none
	end    seq.Offset
}

func (r *record) transmission() transmission { return transmission{r.serial, r.end} }

// after reports whether t came after u. Records with one serial number are parts of one superframe, whose higher sequence
// numbers are later.
//
// Deviation: RACK_sent_after compares times, and sequence numbers where they are equal (RFC 8985 6.2). A repair that leaves
// after new data, but at the same instant, would count as the earlier of the two, and the arrival of the new data would make
// it a loss again.
func (t transmission) after(u transmission) bool {
	return t.serial > u.serial || t.serial == u.serial && t.end > u.end
}

// fly puts r, which has just been sent, at the end of the list.
func (q *sentQueue) fly(r *record) {
	q.serial++
	r.serial = q.serial
	q.setFlying(r, q.latest)
}

// setFlying makes r, which is in no list, a record in flight, after another in the list; nil: it is the first.
func (q *sentQueue) setFlying(r, after *record) {
	r.fate = flying
	q.flying += r.size()
	if r.again {
		if q.resending == 0 {
			q.stamp = r.stamp
		}
		q.resending += r.size()
	}
	q.linkAfter(after, r)
}

// linkAfter puts r into the list behind another record; nil: it is the first.
func (q *sentQueue) linkAfter(after, r *record) {
	r.earlier = after
	if after == nil {
		r.later, q.oldest = q.oldest, r
	} else {
		r.later, after.later = after.later, r
	}
	if r.later == nil {
		q.latest = r
	} else {
		r.later.earlier = r
	}
}

func (q *sentQueue) unlink(r *record) {
	if r.earlier == nil {
		q.oldest = r.later
	} else {
		r.earlier.later = r.later
	}
	if r.later == nil {
		q.latest = r.earlier
	} else {
		r.later.earlier = r.earlier
	}
	if q.overtaken == r {
		q.overtaken = r.earlier
	}
	r.earlier, r.later = nil, nil
}

// overtake advances the cursor past every record sent before t, a transmission that has arrived. It passes each transmission once,
// because the newest arrival is never older than the one before it.
func (q *sentQueue) overtake(t transmission) {
	next := q.oldest
	if q.overtaken != nil {
		next = q.overtaken.later
	}
	for ; next != nil && t.after(next.transmission()); next = next.later {
		q.visits++
		q.overtaken = next
	}
}

// fliesAgain makes every lost record one in flight, in the place its last transmission has.
func (q *sentQueue) fliesAgain() {
	losses := q.losses
	slices.SortFunc(losses, func(a, b *record) int {
		if a.transmission().after(b.transmission()) {
			return 1
		}
		return -1
	})
	var before *record
	for _, r := range losses {
		q.visits++
		next := q.oldest
		if before != nil {
			next = before.later
		}
		for ; next != nil && r.transmission().after(next.transmission()); next = next.later {
			q.visits++
			before = next
		}
		q.setFlying(r, before)
		before = r
	}
	q.lost, q.losses = 0, q.losses[:0]
}
