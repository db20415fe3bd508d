//go:build linux

package flood

import (
	"strings"
	"testing"
	"time"

	"minitcp/bench/report"
	"minitcp/bench/subject"
)

// The table has medians, and the limits wanted of minitcp.
func TestTable(t *testing.T) {
	sample := func(target string, connects, pings float64, failed, growth int64) Sample {
		return Sample{
			Target: target, Case: Case{Rate: aimed}, Quiet: Pace{Connects: 1000, Pings: 2000},
			Under:     Pace{Connects: connects, Pings: pings, SYNs: 49000},
			Succeeded: 1000 - failed, Failed: failed, Growth: growth,
		}
	}
	p := Plan{Cases: []Case{{Rate: aimed}, {Rate: aimed, RTT: 40 * time.Millisecond}}}
	for _, name := range []string{report.Ours, report.Kernel, report.Floor} {
		target, _ := subject.Find(name)
		p.Targets = append(p.Targets, target)
	}
	table := p.Table([]Sample{
		sample(report.Ours, 400, 1000, 0, 1<<20), sample(report.Ours, 500, 1500, 20, 17<<20), sample(report.Ours, 600, 1900, 10, 18<<20), sample(report.Kernel, 0, 4000, 1000, 0),
		{Target: report.Kernel, Case: p.Cases[1], Quiet: Pace{Connects: 10, Pings: 20}, Under: Pace{Connects: 10, Pings: 20, SYNs: 49000}, Succeeded: 10},
	})
	var got []string
	for _, line := range table.Lines[1:] {
		got = append(got, strings.TrimRight(strings.Join(line, ", "), ", "))
	}
	const want = `50000, –, minitcp, 49000, 1000, 500, 0.50, 99.00 %, 2000, 1500, 0.75, 17.0 MiB, connects ≥ 0.50, succeeded ≥ 0.99, pings ≥ 0.80 MISSED, MiB ≤ 16.00 MISSED
50000, –, kernel, 49000, 1000, 0, 0.00, 0.00 %, 2000, 4000, 2.00, –
50000, –, floor, failed
50000, 40ms, minitcp, failed
50000, 40ms, kernel, 49000, 10.0, 10.0, 1.00, 100.00 %, 20.0, 20.0, 1.00, –`
	if text := strings.Join(got, "\n"); text != want {
		t.Errorf("the table is\n%s\nwant\n%s", text, want)
	}
}
