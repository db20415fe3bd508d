package conn

import "minitcp/conn/seq"

// interval is the octets from start up to, not including, end.
type interval struct{ start, end seq.Offset }

func (i interval) size() int64 { return int64(i.end - i.start) }

// rangeset is a set of octets: sorted, disjoint, non-adjacent, non-empty intervals.
type rangeset []interval

// add puts [start, end) into the set and returns the interval that now holds it.
func (s *rangeset) add(start, end seq.Offset) interval {
	r := *s
	// r[i:j] are the intervals that overlap or touch the new one.
	i := 0
	for i < len(r) && r[i].end < start {
		i++
	}
	j := i
	for j < len(r) && r[j].start <= end {
		j++
	}
	merged := interval{start, end}
	if i < j {
		merged.start = min(start, r[i].start)
		merged.end = max(end, r[j-1].end)
		r[i] = merged
		*s = append(r[:i+1], r[j:]...)
		return merged
	}
	r = append(r, interval{})
	copy(r[i+1:], r[i:])
	r[i] = merged
	*s = r
	return merged
}

// contains reports whether every octet of [start, end) is in the set.
func (s rangeset) contains(start, end seq.Offset) bool {
	for _, r := range s {
		if r.start <= start && end <= r.end {
			return true
		}
	}
	return false
}

// overlap is the first stretch of [start, end) that is in the set, empty if there is none.
func (s rangeset) overlap(start, end seq.Offset) interval {
	for _, r := range s {
		if r.end > start && r.start < end {
			return interval{max(start, r.start), min(end, r.end)}
		}
	}
	return interval{}
}

// takeFrom removes the interval that begins at or before o and ends after it, if there is one, and with it all before;
// it returns the end of that interval, or o.
func (s *rangeset) takeFrom(o seq.Offset) seq.Offset {
	r := *s
	n := 0
	for n < len(r) && r[n].start <= o {
		o = max(o, r[n].end)
		n++
	}
	if n > 0 {
		*s = append(r[:0], r[n:]...)
	}
	return o
}
