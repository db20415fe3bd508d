//go:build linux

package greedy

import (
	"fmt"
	"strings"

	"minitcp/bench/report"
)

// The limits that are wanted of minitcp: of the honest transfer's rate beside the peers, divided by that alone, and of
// the memory that is counted, divided by the budget. The stack refuses connections at the second.
const (
	leastRatio  = 0.5
	mostCounted = 1
)

// Table has a line for each kind of peers and target.
func (p *Plan) Table(samples []Sample) *report.Table {
	t := &report.Table{Words: []int{0, 2, 11}}
	t.Lines = append(t.Lines, []string{"peers", "number", "target", "opened", "RSTs", "alone", "beside", "ratio", "memory", "collected", "counted", "wanted"})
	for i := range samples {
		t.Lines = append(t.Lines, p.cells(&samples[i]))
	}
	return t
}

func (p *Plan) cells(s *Sample) []string {
	counted, wanted := report.Nothing, ""
	if s.Target == Ours {
		counted = mebibytes(s.Counted)
		aims := []report.Aim{
			{Name: "ratio", Value: s.ratio(), Limit: leastRatio, Least: true},
			{Name: "counted", Value: float64(s.Counted) / float64(p.Memory<<20), Limit: mostCounted},
		}
		wanted = strings.Join([]string{aims[0].String(), aims[1].String()}, ", ")
	}
	return []string{
		s.Peers, fmt.Sprint(s.Wanted), s.Target, fmt.Sprint(s.Opened), fmt.Sprint(s.Reset), report.Digits(s.Alone), report.Digits(s.Beside),
		fmt.Sprintf("%.2f", s.ratio()), mebibytes(s.Growth), mebibytes(s.Collected), counted, wanted,
	}
}

func mebibytes(n int64) string { return fmt.Sprintf("%d MiB", n>>20) }
