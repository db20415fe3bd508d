package conn

import "fmt"

// maxChecked is the number of records up to which they are checked.
const maxChecked = 64

// check returns an error if the lists of a queue that is not long disagree.
func (q *sentQueue) check() error {
	if q.len() > maxChecked {
		return nil
	}
	var bytes [3]int64
	var inFlight, losses, again int64
	for i, r := range q.list[q.head:] {
		bytes[r.fate] += r.size()
		switch {
		case r.end <= r.start, i > 0 && r.start != q.list[q.head+i-1].end:
			return fmt.Errorf("record %d is %d to %d", i, r.start, r.end)
		case r.fate == flying:
			inFlight++
			if r.again {
				again += r.size()
			}
		case r.fate == lost:
			if losses++; int(losses) > len(q.losses) || q.losses[losses-1] != r {
				return fmt.Errorf("record %d is lost, and not in its place among %d losses", i, len(q.losses))
			}
		}
	}
	if bytes != [3]int64{q.flying, q.sacked, q.lost} || again != q.resending || int(losses) != len(q.losses) {
		return fmt.Errorf("%d bytes by fate, counted %d, %d and %d; sent again %d, counted %d; %d of %d losses",
			bytes, q.flying, q.sacked, q.lost, again, q.resending, losses, len(q.losses))
	}
	var before *record
	overtaken := q.overtaken == nil
	for r := q.oldest; r != nil; before, r = r, r.later {
		inFlight--
		overtaken = overtaken || r == q.overtaken
		if r.fate != flying || r.earlier != before || before != nil && !r.transmission().after(before.transmission()) {
			return fmt.Errorf("record %d to %d is out of place in the order of sending", r.start, r.end)
		}
	}
	if inFlight != 0 || q.latest != before || !overtaken {
		return fmt.Errorf("%d records in flight are missing in the order of sending", inFlight)
	}
	return nil
}
