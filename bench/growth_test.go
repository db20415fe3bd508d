//go:build linux

package main

import (
	"strings"
	"testing"

	"minitcp/bench/report"
)

// Costs are compared with those of the same target in the first workload of the family.
func TestGrowthTable(t *testing.T) {
	row := func(workload, target string, cpu float64) report.Row {
		return report.Row{Workload: workload, Target: target, Unit: "k/s", CPUUnit: "s/1000", CPU: cpu, BothCPU: 2 * cpu,
			Value: report.Summary{N: 1, Median: 10, Min: 9, Max: 11}}
	}
	table := growthTable([]report.Row{
		row("rr1", "minitcp", 2), row("rr1", "kernel", 4), row("rr8", "minitcp", 3), row("rr8", "kernel", 2),
		row("rr64+0k", "minitcp", 1), row("rr64+10k", "minitcp", 1.5), {Workload: "rr64+10k", Target: "kernel"},
	})
	var got []string
	for _, line := range table.Lines[1:] {
		got = append(got, line[6])
	}
	if text := strings.Join(got, " "); text != "1.00 1.00 1.50 0.50 1.00 1.50 " {
		t.Errorf("ratios %q", text)
	}
}

// Idle connections beside the others are counted on both sides, and beyond what one port can have.
func TestBeside(t *testing.T) {
	requireKernel(t)
	p := parsedFor(t, growth, "-rounds", "1", "-duration", "50ms", "-warmup", "0", "-targets", "minitcp,minitcp-inline,kernel", "-workloads", "rr8,rr64+1k")
	samples, err := p.run(t.Context(), t.Output())
	if err != nil || len(samples) != 6 {
		t.Fatalf("%d samples, %v", len(samples), err)
	}
	for _, s := range samples {
		if s.Error != "" || s.Value <= 0 {
			t.Errorf("%s of %s: %v, %s", s.Workload, s.Target, s.Value, s.Error)
		}
	}
	childless(t)
}
