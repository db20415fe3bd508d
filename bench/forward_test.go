//go:build linux

package main

import (
	"fmt"
	"io"
	"slices"
	"testing"
	"time"

	"minitcp/bench/report"
	"minitcp/bench/subject"
)

// rowsOfShort runs a plan, with little time and few flows in the workloads that have their own, and returns its rows.
func rowsOfShort(t *testing.T, p *plan) []report.Row {
	t.Helper()
	for i, w := range p.workloads {
		short := *w
		if short.wakeups > 0 {
			short.wakeups = 10 * time.Millisecond
		}
		if short.name == flowName {
			short.connections = 50
		}
		p.workloads[i] = &short
	}
	samples, err := p.run(t.Context(), io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range samples {
		if s.Error != "" {
			t.Errorf("%s of %s: %s", s.Workload, s.Target, s.Error)
		}
	}
	return p.results(samples)
}

// Every forwarder can be measured in every workload. The routed target has no process whose memory could be measured.
func TestEveryForwarder(t *testing.T) {
	requireKernel(t)
	p := parsedFor(t, forward, "-rounds=1", "-duration=50ms", "-warmup=10ms", "-rest=10ms", "-connections=50",
		"-workloads=up,down8,rr,crr,crr32,refused,udp,udp1400,udpjoined,idle,flow,wakeups")
	rows := rowsOfShort(t, p)
	const busy, resting = 9, 3 + 3 + 1 // rows
	if want := busy*len(p.targets) + resting*(len(p.targets)-1); len(rows) != want {
		t.Errorf("%d rows, want %d", len(rows), want)
	}
	for _, r := range rows {
		if slices.Contains([]string{"Gbit/s", "k/s"}, r.Unit) && r.Value.Median <= 0 {
			t.Errorf("%s of %s is %v", r.Workload, r.Target, r.Value.Median)
		}
	}
	childless(t)
}

// Bulk and transactions are compared with gVisor's, memory and wakeups with constants. Other targets have no aims.
func TestForwardAims(t *testing.T) {
	row := func(workload, target string, value float64) report.Row {
		return report.Row{Workload: workload, Target: target, Value: report.Summary{N: 1, Median: value}}
	}
	rows := []report.Row{
		row("up", ours, 3), row("up", report.Shipped, 1), row("up", report.Best, 2.5), row("up", subject.Routed, 9),
		row("crr", ours, 2), row("crr", report.Best, 1), row("rr", ours, 1), row("rr", report.Best, 2),
		row("udp", ours, 1), row("udp", report.Shipped, 1), row("udp", report.Best, 1),
		row("idle", ours, 1e6), row("idle-heap", ours, 2945), row("idle-heap", report.Best, 9), row("flow-heap", ours, 4992), row(wakeupsName, ours, 0),
	}
	aimForward(rows, parsedFor(t, forward).workloads)
	var got []string
	for _, line := range forwardTable(rows).Lines[1:] {
		if wanted := line[len(line)-1]; wanted != "" {
			got = append(got, fmt.Sprintf("%s %s: %s", line[0], line[1], wanted))
		}
	}
	want := []string{
		"up minitcp: ÷ gvisor-shipped ≥ 3.00, ÷ gvisor-best ≥ 1.50 MISSED",
		"crr minitcp: ÷ gvisor-best ≥ 2.00",
		"udp minitcp: ÷ gvisor-shipped ≥ 2.00 MISSED",
		"idle-heap minitcp: bytes ≤ 2944.00 MISSED",
		"flow-heap minitcp: bytes ≤ 4992.00",
		"wakeups minitcp: wakeups ≤ 0.00",
	}
	if !slices.Equal(got, want) {
		t.Errorf("got:\n%q\nwant:\n%q", got, want)
	}
}
