package buffer

import (
	"math/rand/v2"
	"slices"
	"testing"

	"minitcp/conn/seq"
)

func TestRangesetAdd(t *testing.T) {
	start := RangeSet{{10, 20}, {30, 40}, {50, 60}}
	for _, c := range []struct {
		name  string
		s, e  seq.Offset
		want  RangeSet
		holds Range
	}{
		{"before", 1, 5, RangeSet{{1, 5}, {10, 20}, {30, 40}, {50, 60}}, Range{1, 5}},
		{"after", 70, 80, RangeSet{{10, 20}, {30, 40}, {50, 60}, {70, 80}}, Range{70, 80}},
		{"between", 22, 28, RangeSet{{10, 20}, {22, 28}, {30, 40}, {50, 60}}, Range{22, 28}},
		{"touches the left", 20, 25, RangeSet{{10, 25}, {30, 40}, {50, 60}}, Range{10, 25}},
		{"touches the right", 25, 30, RangeSet{{10, 20}, {25, 40}, {50, 60}}, Range{25, 40}},
		{"fills a gap", 20, 30, RangeSet{{10, 40}, {50, 60}}, Range{10, 40}},
		{"within", 32, 38, RangeSet{{10, 20}, {30, 40}, {50, 60}}, Range{30, 40}},
		{"over all", 5, 65, RangeSet{{5, 65}}, Range{5, 65}},
		{"over two", 15, 35, RangeSet{{10, 40}, {50, 60}}, Range{10, 40}},
	} {
		s := slices.Clone(start)
		if got := s.Add(c.s, c.e); got != c.holds || !slices.Equal(s, c.want) {
			t.Errorf("%s: %v in %v, want %v in %v", c.name, got, s, c.holds, c.want)
		}
	}
}

func TestRangesetRemoveFirst(t *testing.T) {
	for n, want := range []RangeSet{{{10, 20}, {30, 40}}, {{30, 40}}, {}} {
		s := RangeSet{{10, 20}, {30, 40}}
		if s.removeFirst(n); !slices.Equal(s, want) {
			t.Errorf("without the first %d: %v, want %v", n, s, want)
		}
	}
}

func TestRangesetHolding(t *testing.T) {
	s := RangeSet{{10, 20}, {30, 40}}
	for o, want := range map[seq.Offset]Range{9: {}, 10: {10, 20}, 19: {10, 20}, 20: {}, 29: {}, 30: {30, 40}, 40: {}} {
		if got := s.Holding(o); got != want {
			t.Errorf("byte %d is in %v, want %v", o, got, want)
		}
	}
}

// Random additions equal those of a model with one bool for each byte.
func TestRangesetRandom(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for range 300 {
		var s RangeSet
		var model [200]bool
		for range 30 {
			from := r.IntN(190)
			to := from + 1 + r.IntN(10)
			s.Add(seq.Offset(from), seq.Offset(to))
			for i := from; i < to; i++ {
				model[i] = true
			}
			var want RangeSet
			for i, in := range model {
				switch {
				case in && (i == 0 || !model[i-1]):
					want = append(want, Range{seq.Offset(i), seq.Offset(i + 1)})
				case in:
					want[len(want)-1].End++
				}
			}
			if !slices.Equal(s, want) {
				t.Fatalf("%v, want %v", s, want)
			}
			a := r.IntN(190)
			b := a + 1 + r.IntN(10)
			if got, want := s.Contains(seq.Offset(a), seq.Offset(b)), !slices.Contains(model[a:b], false); got != want {
				t.Fatalf("%v contains [%d, %d): %v", s, a, b, got)
			}
		}
	}
}

func TestRangesetOverlap(t *testing.T) {
	s := RangeSet{{10, 20}, {30, 40}}
	for _, c := range []struct{ start, end, wantStart, wantEnd seq.Offset }{
		{0, 5, 0, 0}, {0, 10, 0, 0}, {20, 30, 0, 0}, {40, 50, 0, 0},
		{0, 11, 10, 11}, {12, 15, 12, 15}, {19, 35, 19, 20}, {20, 35, 30, 35}, {0, 100, 10, 20},
	} {
		if got := s.Overlap(c.start, c.end); got != (Range{c.wantStart, c.wantEnd}) {
			t.Errorf("%d to %d overlaps in %v", c.start, c.end, got)
		}
	}
}
