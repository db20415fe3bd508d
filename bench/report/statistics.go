package report

import (
	"math"
	"slices"
)

// Summary describes a number of measurements of the same thing.
type Summary struct {
	N           int     `json:"n"`
	Median      float64 `json:"median"`
	Min         float64 `json:"min"`
	Max         float64 `json:"max"`
	LowQuarter  float64 `json:"q1"` // first quartile
	HighQuarter float64 `json:"q3"` // third quartile
}

// Summarize summarizes values in any order. The summary of no values is zero.
func Summarize(values []float64) Summary {
	if len(values) == 0 {
		return Summary{}
	}
	v := slices.Sorted(slices.Values(values))
	return Summary{N: len(v), Median: quantile(v, 0.5), Min: v[0], Max: v[len(v)-1], LowQuarter: quantile(v, 0.25), HighQuarter: quantile(v, 0.75)}
}

// quantile interpolates between the two values of the sorted v that are nearest.
func quantile(v []float64, q float64) float64 {
	at := q * float64(len(v)-1)
	i := int(at)
	if i+1 == len(v) {
		return v[i]
	}
	return v[i] + (at-float64(i))*(v[i+1]-v[i])
}

// Ratio returns a divided by b, and 0 if that is not a number or b is 0.
func Ratio(a, b float64) float64 {
	if b == 0 || math.IsNaN(a/b) {
		return 0
	}
	return a / b
}
