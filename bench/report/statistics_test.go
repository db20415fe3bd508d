package report

import (
	"math"
	"testing"
)

func TestSummarize(t *testing.T) {
	for _, test := range []struct {
		values []float64
		want   Summary
	}{
		{nil, Summary{}},
		{[]float64{7}, Summary{N: 1, Median: 7, Min: 7, Max: 7, LowQuarter: 7, HighQuarter: 7}},
		{[]float64{4, 2}, Summary{N: 2, Median: 3, Min: 2, Max: 4, LowQuarter: 2.5, HighQuarter: 3.5}},
		{[]float64{9, 1, 5}, Summary{N: 3, Median: 5, Min: 1, Max: 9, LowQuarter: 3, HighQuarter: 7}},
		{[]float64{50, 10, 40, 20, 30}, Summary{N: 5, Median: 30, Min: 10, Max: 50, LowQuarter: 20, HighQuarter: 40}},
	} {
		before := append([]float64(nil), test.values...)
		if got := Summarize(test.values); got != test.want {
			t.Errorf("Summarize(%v) = %+v, want %+v", test.values, got, test.want)
		}
		for i := range before {
			if test.values[i] != before[i] {
				t.Errorf("Summarize changed its argument to %v", test.values)
			}
		}
	}
}

func TestRatio(t *testing.T) {
	for _, test := range []struct{ a, b, want float64 }{{3, 2, 1.5}, {0, 2, 0}, {3, 0, 0}, {0, 0, 0}, {math.NaN(), 1, 0}} {
		if got := Ratio(test.a, test.b); got != test.want {
			t.Errorf("Ratio(%v, %v) = %v, want %v", test.a, test.b, got, test.want)
		}
	}
}
