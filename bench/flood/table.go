//go:build linux

package flood

import (
	"fmt"
	"slices"
	"strings"

	"minitcp/bench/report"
	"minitcp/bench/subject"
)

// The limits that are wanted of minitcp: of memory at every rate, of the others at aimed SYNs per second.
const (
	aimed          = 50_000
	leastConnects  = 0.5
	leastSucceeded = 0.99
	leastPings     = 0.8
	mostMemory     = 16 // MiB
)

// Table has a line for each target and rate, with medians.
func (p *Plan) Table(samples []Sample) *report.Table {
	t := &report.Table{Words: []int{1, 2, 12}}
	t.Lines = append(t.Lines, []string{"SYNs/s", "RTT", "target", "sent/s", "connects/s", "flooded", "ratio", "succeeded", "pings/s", "flooded", "ratio", "memory", "wanted"})
	for _, c := range p.Cases {
		for _, target := range p.Targets {
			if !c.takes(target) {
				continue
			}
			own := slices.DeleteFunc(slices.Clone(samples), func(s Sample) bool { return s.Case != c || s.Target != target.Name })
			line := []string{fmt.Sprint(c.Rate), report.Nothing, target.Name}
			if c.RTT > 0 {
				line[1] = c.RTT.String()
			}
			if len(own) == 0 {
				line = append(append(line, "failed"), make([]string, len(t.Lines[0])-4)...)
			} else {
				line = append(line, cells(c, target, own)...)
			}
			t.Lines = append(t.Lines, line)
		}
	}
	return t
}

// cells returns the medians of the samples of a target in a case.
func cells(c Case, target subject.Target, samples []Sample) []string {
	median := func(of func(*Sample) float64) float64 {
		var values []float64
		for i := range samples {
			values = append(values, of(&samples[i]))
		}
		return report.Summarize(values).Median
	}
	digits := func(of func(*Sample) float64) string { return report.Digits(median(of)) }
	ratio := func(v float64) string { return fmt.Sprintf("%.2f", v) }
	connects, succeeded, pings := median((*Sample).connects), median((*Sample).succeeded), median((*Sample).pings)
	growth := median(func(s *Sample) float64 { return float64(s.Growth) })
	memory := report.Digits(growth/(1<<20)) + " MiB"
	if target.Veth {
		memory = report.Nothing // that of its namespace is in the kernel
	}
	var wanted []string
	want := func(a report.Aim) {
		wanted = append(wanted, a.String())
	}
	if target.Name == report.Ours {
		if c.Rate == aimed {
			want(report.Aim{Name: "connects", Value: connects, Limit: leastConnects, Least: true})
			want(report.Aim{Name: "succeeded", Value: succeeded, Limit: leastSucceeded, Least: true})
			want(report.Aim{Name: "pings", Value: pings, Limit: leastPings, Least: true})
		}
		want(report.Aim{Name: "MiB", Value: growth / (1 << 20), Limit: mostMemory})
	}
	return []string{
		digits(func(s *Sample) float64 { return s.Under.SYNs }),
		digits(func(s *Sample) float64 { return s.Quiet.Connects }), digits(func(s *Sample) float64 { return s.Under.Connects }),
		ratio(connects), fmt.Sprintf("%.2f %%", 100*succeeded),
		digits(func(s *Sample) float64 { return s.Quiet.Pings }), digits(func(s *Sample) float64 { return s.Under.Pings }),
		ratio(pings), memory, strings.Join(wanted, ", "),
	}
}
