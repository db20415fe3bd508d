package scoreboard

import "fmt"

// maxChecked is the largest number of records that Check examines.
const maxChecked = 64

// Check returns an error if the lists and counters of a queue that is not long disagree. Tests call it.
func (q *Queue) Check() error {
	if q.Len() > maxChecked {
		return nil
	}
	var bytes [states]int64
	var inFlight, losses, retransmitted int64
	for i, r := range q.list[q.head:] {
		bytes[r.state] += r.Size()
		switch {
		case r.end <= r.start, i > 0 && r.start != q.list[q.head+i-1].end:
			return fmt.Errorf("record %d is %d to %d", i, r.start, r.end)
		case r.state == InFlight:
			inFlight++
			if r.retransmitted {
				retransmitted += r.Size()
			}
		case r.state == Lost:
			if losses++; int(losses) > len(q.losses) || q.losses[losses-1] != r {
				return fmt.Errorf("record %d is lost, and not in its place among %d losses", i, len(q.losses))
			}
		}
	}
	if bytes != q.bytes || retransmitted != q.retransmitted || int(losses) != len(q.losses) {
		return fmt.Errorf("%d bytes by state, counted %d; %d retransmitted, counted %d; %d of %d losses",
			q.bytes, bytes, q.retransmitted, retransmitted, len(q.losses), losses)
	}
	var before *Record
	overtaken := q.overtaken == nil
	for r := q.oldest; r != nil; before, r = r, r.later {
		inFlight--
		overtaken = overtaken || r == q.overtaken
		if r.state != InFlight || r.earlier != before || before != nil && !r.transmission().after(before.transmission()) {
			return fmt.Errorf("record %d to %d is out of place in the order of transmission", r.start, r.end)
		}
	}
	if inFlight != 0 || q.latest != before || !overtaken {
		return fmt.Errorf("%d records in flight are missing in the order of transmission", inFlight)
	}
	return nil
}
