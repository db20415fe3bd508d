package scoreboard

import "minitcp/conn/seq"

// step returns the size of the record's segments.
func (r *Record) step() int64 { return max(1, int64(r.segment)) }

// Largest returns the number of bytes in the record's largest segment.
func (r *Record) Largest() int64 { return min(r.Size(), r.step()) }

// LargestSACKed returns the number of bytes in the largest segment that has been delivered out of order.
func (q *Queue) LargestSACKed() (largest int64) {
	for _, r := range q.list[q.head:] {
		if r.state == SACKed {
			largest = max(largest, r.Largest())
		}
	}
	return largest
}

// within returns the whole segments of r inside [start, end), which overlaps it.
func (r *Record) within(start, end seq.Offset) (from, to seq.Offset) {
	from, to = r.start, r.end
	step := r.step()
	if start > from {
		from += seq.Offset((int64(start-from) + step - 1) / step * step)
	}
	if end < to {
		to = r.start + seq.Offset(int64(end-r.start)/step*step)
	}
	return min(from, r.end), to
}

// SACK marks [start, end), which must be sent and not acknowledged, as delivered, and adds the part of it that had not
// been delivered before to d.
//
// A part of a segment does not count: receivers keep whole segments, and blocks that end inside them would make each
// byte a record, a search and a retransmission (CVE-2019-11478).
func (q *Queue) SACK(start, end seq.Offset, d *Delivered) {
	for i := q.find(start); i < len(q.list) && q.list[i].start < end; i++ {
		q.visits++
		r := q.list[i]
		if r.state == SACKed {
			continue
		}
		if from, to := r.within(start, end); from < to {
			i = q.deliver(i, from, to, d)
		}
	}
}

// deliver marks [from, to) of record i, joins it with its neighbours, and returns the index of the last record
// examined. With too many records, a part that would need another one is not marked.
func (q *Queue) deliver(i int, from, to seq.Offset, d *Delivered) int {
	r := q.list[i]
	part := *r
	part.start, part.end = from, to
	before := from == r.start && i > q.head && q.list[i-1].state == SACKed
	after := to == r.end && i+1 < len(q.list) && q.list[i+1].state == SACKed
	q.visits += 2
	whole := from == r.start && to == r.end
	if !whole && !before && !after && q.Len()+2 > MaxRecords {
		return i
	}
	d.add(&part)
	switch {
	case whole:
		q.detach(r)
		r.state = SACKed
		q.bytes[SACKed] += r.Size()
	case before: // a block grows
		q.trim(r, to, r.end)
		q.list[i-1].end = to
		q.bytes[SACKed] += part.Size()
		return i
	case after:
		q.trim(r, r.start, from)
		q.list[i+1].start = from
		q.bytes[SACKed] += part.Size()
		return i + 1
	default:
		i = q.split(i, to)
		if from == r.start {
			q.detach(r)
		} else {
			q.trim(r, r.start, from)
			r = q.alloc(&part)
			i = q.insert(i+1, r)
		}
		r.state, r.earlier, r.later = SACKed, nil, nil
		q.bytes[SACKed] += r.Size()
		return i
	}
	if after {
		r.end = q.list[i+1].end
		q.remove(i + 1)
	}
	if before {
		q.list[i-1].end = r.end
		q.remove(i)
		i--
	}
	return i
}
