package conn

import (
	"slices"

	"minitcp/conn/seq"
)

// The list of records in flight is in the order of their last transmissions, as RACK needs it (RFC 8985 6.2).

// transmission is the place of a record's last transmission among all others.
type transmission struct {
	at  Time
	end seq.Offset // 0: none
}

func (r *record) transmission() transmission { return transmission{r.at, r.end} }

// after reports whether t came after u. Of what left at one instant, the higher numbers were later (RFC 8985 6.2,
// RACK_sent_after).
func (t transmission) after(u transmission) bool { return t.at > u.at || t.at == u.at && t.end > u.end }

// fly puts r, which has just been sent, into the list. Only higher numbers sent at the same instant come after it.
func (q *sentQueue) fly(r *record) {
	before := q.latest
	for before != nil && before.transmission().after(r.transmission()) {
		q.visits++
		before = before.earlier
	}
	q.setFlying(r, before)
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
