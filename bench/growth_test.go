//go:build linux

package main

import (
	"fmt"
	"strings"
	"testing"

	"minitcp/bench/report"
)

func growthRow(workload, target string, cpu float64) report.Row {
	return report.Row{Workload: workload, Target: target, Unit: "k/s", CPUUnit: "s/1000", CPU: cpu, BothCPU: 2 * cpu,
		Value: report.Summary{N: 1, Median: 10, Min: 9, Max: 11}}
}

// Costs are compared with those of the same target in the first workload of the family.
func TestGrowthTable(t *testing.T) {
	row := growthRow
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

// Growth is compared with the kernel's, Jain's index with a constant, and pings after bulk with gVisor's. Other targets
// and rows have no aims.
func TestAims(t *testing.T) {
	shared := func(r report.Row, jain float64) report.Row {
		r.Fairness = &report.Fairness{Jain: jain, Pause: 20_000}
		return r
	}
	ping := func(target string, first, p99 float64) report.Row {
		r := growthRow("ping+up512", target, 0)
		r.Value.Median, r.Latency, r.CPUUnit = first, &report.Latency{P99: p99}, ""
		return r
	}
	rows := []report.Row{
		growthRow("down1", "minitcp", 2), growthRow("down1", "kernel", 1),
		growthRow("down8", "minitcp", 3), growthRow("down8", "kernel", 2),
		shared(growthRow("down64", "minitcp", 3), 0.79), growthRow("down64", "kernel", 1.2),
		shared(growthRow("up512", "minitcp", 3), 0.35), shared(growthRow("up512", "kernel", 3), 0.1),
		ping("minitcp", 169, 170_000), ping("gvisor-best", 170, 169_000),
		growthRow("rr1", "minitcp", 1), growthRow("rr8", "minitcp", 9), growthRow("rr1", "kernel", 1), growthRow("rr8", "kernel", 1),
	}
	aim(rows, parsedFor(t, growth).workloads)
	var got []string
	for _, line := range growthTable(rows).Lines[1:] {
		if wanted := line[len(line)-1]; wanted != "" {
			got = append(got, fmt.Sprintf("%s %s: %s", line[0], line[1], wanted))
		}
	}
	const want = `down8 minitcp: growth ≤ 2.00
down64 minitcp: growth ≤ 1.20 MISSED, Jain ≥ 0.80 MISSED
up512 minitcp: Jain ≥ 0.35
ping+up512 minitcp: first ≤ 170 ms, p99 ≤ 169 ms MISSED`
	if text := strings.Join(got, "\n"); text != want {
		t.Errorf("aims are\n%s\nwant\n%s", text, want)
	}
}

// Idle connections beside the others are counted on both sides, and may exceed the number of ports of one address.
// The floor is left out.
func TestBeside(t *testing.T) {
	requireKernel(t)
	p := parsedFor(t, growth, "-rounds", "1", "-duration", "50ms", "-warmup", "0", "-targets", "minitcp,minitcp-inline,kernel,floor", "-workloads", "rr8,rr64+1k")
	samples, err := p.run(t.Context(), t.Output())
	if err != nil || len(samples) != 7 {
		t.Fatalf("%d samples, %v", len(samples), err)
	}
	for _, s := range samples {
		if s.Error != "" || s.Value <= 0 {
			t.Errorf("%s of %s: %v, %s", s.Workload, s.Target, s.Value, s.Error)
		}
	}
	childless(t)
}

// Several bulk connections are compared in both directions, at every target that counts them.
func TestShares(t *testing.T) {
	requireKernel(t)
	p := parsedFor(t, growth, "-rounds", "1", "-duration", "250ms", "-warmup", "10ms", "-targets", "minitcp,minitcp-inline,gvisor-best,kernel,floor", "-workloads", "up8,down8")
	samples, err := p.run(t.Context(), t.Output())
	if err != nil || len(samples) != 10 {
		t.Fatalf("%d samples, %v", len(samples), err)
	}
	for _, s := range samples {
		counted := s.Workload != "up8" || s.Target != report.Floor
		if f := s.Fairness; s.Error != "" || counted != (f != nil) || counted && (f.Jain < 1./8 || f.Jain > 1.0001 || f.Pause < 0) {
			t.Errorf("%s of %s: %+v, %s", s.Workload, s.Target, f, s.Error)
		}
	}
	childless(t)
}

// A connection that has sent bulk sends pings beside others with bulk, and both sides count the same.
func TestPingBesideBulk(t *testing.T) {
	requireKernel(t)
	p := parsedFor(t, growth, "-rounds", "1", "-duration", "50ms", "-warmup", "0", "-targets", "minitcp,gvisor-best,kernel", "-workloads", "ping+up64,ping+down64")
	for _, w := range p.workloads {
		w := *w
		w.bulkFlows = 4
		for _, target := range p.targets {
			samples, err := p.measure(t.Context(), &w, target, 0)
			if err != nil {
				t.Errorf("%s of %s: %v", w.name, target.Name, err)
				continue
			}
			if s := samples[0]; s.Value <= 0 || s.Latency == nil || s.Latency.P50 <= 0 || s.Latency.P50 > s.Latency.Max || s.Fairness != nil {
				t.Errorf("%s of %s: %+v", w.name, target.Name, s)
			}
		}
	}
	childless(t)
}
