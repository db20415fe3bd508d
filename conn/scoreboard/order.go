package scoreboard

import (
	"slices"

	"minitcp/conn/seq"
)

// The list of records in flight is in the order of their last transmissions, as RACK needs it (RFC 8985 6.2).

// Transmission is the place of a record's last transmission among all others. The zero Transmission is before all
// others.
type Transmission struct {
	serial uint64 // number of the transmission, from 1 on
	end    seq.Offset
}

// transmission returns the place of the record's last transmission.
func (r *Record) transmission() Transmission { return Transmission{r.serial, r.end} }

// IsZero reports whether t is the zero Transmission.
func (t Transmission) IsZero() bool { return t.serial == 0 }

// after reports whether t came after u. Records with one serial number are parts of one GSO packet, whose higher
// sequence numbers are later.
//
// Deviation: RACK_sent_after compares times, and sequence numbers where they are equal (RFC 8985 6.2). A retransmission
// that is sent after new data, but at the same time, would then be the earlier of the two, and the arrival of the new
// data would mark it lost again.
func (t Transmission) after(u Transmission) bool {
	return t.serial > u.serial || t.serial == u.serial && t.end > u.end
}

// overtakes returns the place before which all transmissions were sent before r for RACK. A retransmission was not sent
// after new data that left at the same instant, whose sequence numbers are higher (RFC 8985 6.2, RACK_sent_after): its
// ACK may be that of the original.
func (r *Record) overtakes() Transmission {
	if !r.retransmitted {
		return r.transmission()
	}
	t := Transmission{r.serial - uint64(r.after), r.end}
	if r.after > 0 {
		t.end = 0
	}
	return t
}

// Sent returns the place of the last transmission of o, a byte that is sent and not acknowledged; the zero Transmission
// if there is no record of it.
func (q *Queue) Sent(o seq.Offset) Transmission {
	if q.Empty() || o < q.First().start || o >= q.Last().end {
		return Transmission{}
	}
	return Transmission{q.list[q.find(o)].serial, o}
}

// Oldest returns the record in flight whose last transmission is the oldest, nil if none is in flight.
func (q *Queue) Oldest() *Record { return q.oldest }

// Overtaken returns the last record in flight, in order of transmission, that was sent before the newest delivery; nil
// if there is none. See Overtake.
func (q *Queue) Overtaken() *Record { return q.overtaken }

// Overtake records that t, a transmission, has been delivered. It examines each record once, because t is never older
// than in the call before.
func (q *Queue) Overtake(t Transmission) {
	next := q.oldest
	if q.overtaken != nil {
		next = q.overtaken.later
	}
	for ; next != nil && t.after(next.transmission()); next = next.later {
		q.visits++
		q.overtaken = next
	}
}

// send puts r, which has just been sent, at the end of the list.
func (q *Queue) send(r *Record) {
	q.serial++
	r.serial, r.after = q.serial, 0
	if last := q.latest; last != nil && last.sentAt == r.sentAt && (last.after > 0 || !last.retransmitted) {
		r.after = last.after + 1
	}
	q.setInFlight(r, q.latest)
}

// setInFlight makes r, which is in no list, a record in flight behind another in the list; nil makes it the first.
func (q *Queue) setInFlight(r, after *Record) {
	r.state = InFlight
	if r.retransmitted && q.retransmitted == 0 {
		q.tsval = r.tsval
	}
	q.count(r, r.Size())
	q.linkAfter(after, r)
}

// linkAfter puts r into the list behind another record; nil makes it the first.
func (q *Queue) linkAfter(after, r *Record) {
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

func (q *Queue) unlink(r *Record) {
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

// RestoreLost makes every lost record one in flight again, in the place of its last transmission: the loss was
// spurious.
func (q *Queue) RestoreLost() {
	losses := q.losses
	slices.SortFunc(losses, func(a, b *Record) int {
		if a.transmission().after(b.transmission()) {
			return 1
		}
		return -1
	})
	var before *Record
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
		q.setInFlight(r, before)
		before = r
	}
	q.bytes[Lost], q.losses = 0, q.losses[:0]
}
