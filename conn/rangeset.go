package conn

import "minitcp/conn/seq"

// interval is the bytes from start up to, not including, end.
type interval struct{ start, end seq.Offset }

func (i interval) size() int64 { return int64(i.end - i.start) }

// rangeset is a set of bytes: sorted, disjoint, non-adjacent, non-empty intervals.
type rangeset []interval

// endingFrom returns the index of the first interval that ends at or after o, and the number of intervals it looked at.
// Data that arrives usually follows the highest data so far, so the last interval is looked at first.
func (s rangeset) endingFrom(o seq.Offset) (index, looks int) {
	n := len(s)
	if n == 0 || s[n-1].end < o {
		return n, 1
	}
	if s[n-1].start <= o {
		return n - 1, 1
	}
	low, high := 0, n-1
	for looks = 1; low < high; looks++ {
		if middle := int(uint(low+high) / 2); s[middle].end < o {
			low = middle + 1
		} else {
			high = middle
		}
	}
	return low, looks
}

// touching returns the indices i up to j of the intervals that overlap or touch [start, end), and the number of intervals
// it looked at.
func (s rangeset) touching(start, end seq.Offset) (i, j, looks int) {
	i, looks = s.endingFrom(start)
	if i == len(s) || s[i].start > end {
		return i, i, looks + 1
	}
	j, more := s.endingFrom(end + 1) // the first that begins after end, or the one that holds end
	if j < len(s) && s[j].start <= end {
		j++
	}
	return i, j, looks + more + 2
}

// replace puts r in the place of the intervals i up to j.
func (s *rangeset) replace(i, j int, r interval) {
	list := *s
	if i == j {
		list = append(list, interval{})
		copy(list[i+1:], list[i:])
	} else {
		list = append(list[:i+1], list[j:]...)
	}
	list[i] = r
	*s = list
}

// removeFirst removes the first n intervals.
func (s *rangeset) removeFirst(n int) {
	if n > 0 {
		*s = append((*s)[:0], (*s)[n:]...)
	}
}

// union returns [start, end) joined with the intervals i up to j, which it touches.
func (s rangeset) union(i, j int, start, end seq.Offset) interval {
	if i == j {
		return interval{start, end}
	}
	return interval{min(start, s[i].start), max(end, s[j-1].end)}
}

// add puts [start, end) into the set and returns the interval that now holds it.
func (s *rangeset) add(start, end seq.Offset) interval {
	i, j, _ := s.touching(start, end)
	r := s.union(i, j, start, end)
	s.replace(i, j, r)
	return r
}

// contains reports whether every byte of [start, end) is in the set.
func (s rangeset) contains(start, end seq.Offset) bool {
	i, _ := s.endingFrom(end)
	return i < len(s) && s[i].start <= start
}

// holding returns the interval that holds byte o, empty if there is none.
func (s rangeset) holding(o seq.Offset) interval {
	if i, _ := s.endingFrom(o + 1); i < len(s) && s[i].start <= o {
		return s[i]
	}
	return interval{}
}

// overlap returns the first part of [start, end) that is in the set, empty if there is none.
func (s rangeset) overlap(start, end seq.Offset) interval {
	if i, _ := s.endingFrom(start + 1); i < len(s) && s[i].start < end {
		return interval{max(start, s[i].start), min(end, s[i].end)}
	}
	return interval{}
}
