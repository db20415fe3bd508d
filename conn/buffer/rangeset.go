package buffer

import "minitcp/conn/seq"

// Range is the bytes from Start up to, not including, End.
type Range struct{ Start, End seq.Offset }

// Size returns the number of bytes in r.
func (r Range) Size() int64 { return int64(r.End - r.Start) }

// RangeSet is a set of bytes: sorted, disjoint, non-adjacent, non-empty ranges.
type RangeSet []Range

// endingFrom returns the index of the first range that ends at or after o, and the number of ranges it looked at.
// Data that arrives usually follows the highest data so far, so the last range is looked at first.
func (s RangeSet) endingFrom(o seq.Offset) (index, looks int) {
	n := len(s)
	if n == 0 || s[n-1].End < o {
		return n, 1
	}
	if s[n-1].Start <= o {
		return n - 1, 1
	}
	low, high := 0, n-1
	for looks = 1; low < high; looks++ {
		if middle := int(uint(low+high) / 2); s[middle].End < o {
			low = middle + 1
		} else {
			high = middle
		}
	}
	return low, looks
}

// touching returns the indices i up to j of the ranges that overlap or touch [start, end), and the number of ranges
// it looked at.
func (s RangeSet) touching(start, end seq.Offset) (i, j, looks int) {
	i, looks = s.endingFrom(start)
	if i == len(s) || s[i].Start > end {
		return i, i, looks + 1
	}
	j, more := s.endingFrom(end + 1) // the first that begins after end, or the one that holds end
	if j < len(s) && s[j].Start <= end {
		j++
	}
	return i, j, looks + more + 2
}

// replace puts r in the place of the ranges i up to j.
func (s *RangeSet) replace(i, j int, r Range) {
	list := *s
	if i == j {
		list = append(list, Range{})
		copy(list[i+1:], list[i:])
	} else {
		list = append(list[:i+1], list[j:]...)
	}
	list[i] = r
	*s = list
}

// removeFirst removes the first n ranges.
func (s *RangeSet) removeFirst(n int) {
	if n > 0 {
		*s = append((*s)[:0], (*s)[n:]...)
	}
}

// union returns [start, end) joined with the ranges i up to j, which it touches.
func (s RangeSet) union(i, j int, start, end seq.Offset) Range {
	if i == j {
		return Range{start, end}
	}
	return Range{min(start, s[i].Start), max(end, s[j-1].End)}
}

// Add puts [start, end) into the set and returns the range that now holds it.
func (s *RangeSet) Add(start, end seq.Offset) Range {
	i, j, _ := s.touching(start, end)
	r := s.union(i, j, start, end)
	s.replace(i, j, r)
	return r
}

// Contains reports whether every byte of [start, end) is in the set.
func (s RangeSet) Contains(start, end seq.Offset) bool {
	i, _ := s.endingFrom(end)
	return i < len(s) && s[i].Start <= start
}

// Holding returns the range that holds byte o, empty if there is none.
func (s RangeSet) Holding(o seq.Offset) Range {
	if i, _ := s.endingFrom(o + 1); i < len(s) && s[i].Start <= o {
		return s[i]
	}
	return Range{}
}

// Overlap returns the first part of [start, end) that is in the set, empty if there is none.
func (s RangeSet) Overlap(start, end seq.Offset) Range {
	if i, _ := s.endingFrom(start + 1); i < len(s) && s[i].Start < end {
		return Range{max(start, s[i].Start), min(end, s[i].End)}
	}
	return Range{}
}
