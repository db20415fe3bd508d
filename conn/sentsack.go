package conn

import "minitcp/conn/seq"

// step returns the size of the record's segments.
func (r *record) step() int64 { return max(1, int64(r.segment)) }

// within returns the whole segments of r inside [start, end), which overlaps it.
func (r *record) within(start, end seq.Offset) (from, to seq.Offset) {
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

// sack marks [start, end), which must be sent and not acknowledged, as arrived, and adds what of it had not before to a.
//
// A part of a segment does not count: receivers keep whole segments, and blocks that end inside them would make each byte
// a record, a search and a retransmission (CVE-2019-11478).
func (q *sentQueue) sack(start, end seq.Offset, a *arrival) {
	for i := q.find(start); i < len(q.list) && q.list[i].start < end; i++ {
		q.visits++
		r := q.list[i]
		if r.fate == sacked {
			continue
		}
		if from, to := r.within(start, end); from < to {
			i = q.arrived(i, from, to, a)
		}
	}
}

// arrived marks [from, to) of record i, joins it with its neighbours, and returns the index of the last record it has looked
// at. When there are too many records, what would need another one is not marked.
func (q *sentQueue) arrived(i int, from, to seq.Offset, a *arrival) int {
	r := q.list[i]
	part := *r
	part.start, part.end = from, to
	before := from == r.start && i > q.head && q.list[i-1].fate == sacked
	after := to == r.end && i+1 < len(q.list) && q.list[i+1].fate == sacked
	q.visits += 2
	whole := from == r.start && to == r.end
	if !whole && !before && !after && q.len()+2 > maxRecords {
		return i
	}
	a.add(&part)
	switch {
	case whole:
		q.detach(r)
		r.fate = sacked
		q.sacked += r.size()
	case before: // a block grows
		q.trim(r, to, r.end)
		q.list[i-1].end = to
		q.sacked += part.size()
		return i
	case after:
		q.trim(r, r.start, from)
		q.list[i+1].start = from
		q.sacked += part.size()
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
		r.fate, r.earlier, r.later = sacked, nil, nil
		q.sacked += r.size()
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
