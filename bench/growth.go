//go:build linux

package main

import (
	"fmt"
	"slices"
	"strings"

	"minitcp/bench/load"
	"minitcp/bench/report"
	"minitcp/bench/subject"
)

// growth is the catalogue for the cost of more connections and for fairness among them: the same work on 1 to 512
// connections or beside 1000 to 100,000 idle ones, and pings beside bulk.
var growth = &catalogue{
	command:   "growth",
	workloads: growthWorkloads(),
	all:       subject.Targets,
	targets:   strings.Join([]string{ours, report.Best, report.Kernel, report.Floor}, ","),
	reads:     128 << 10, // 512 buffers of 256 KiB exceed every cache, and are not TCP's
	idle:      10000,
	table:     growthTable,
	aim:       aim,
	place:     growthName,
}

// ours is the target that has aims.
const ours = report.Ours

func growthWorkloads() (all []workload) {
	for _, w := range []workload{
		{name: "up", summary: "bulk to the target", kind: load.Upload},
		{name: "down", summary: "bulk from the target", kind: load.Download},
		{name: "rr", summary: "64 bytes there and back", kind: load.PingPong},
	} {
		for _, flows := range []int{1, 8, 64, 512} {
			all = append(all, workload{name: fmt.Sprint(w.name, flows), summary: fmt.Sprintf("%s, connections: %d", w.summary, flows),
				kind: w.kind, connections: flows})
		}
	}
	for _, w := range []workload{
		{name: "ping+up", summary: "to the target", bulk: load.Upload},
		{name: "ping+down", summary: "from the target", bulk: load.Download},
	} {
		for _, flows := range []int{64, 512} {
			all = append(all, workload{name: fmt.Sprint(w.name, flows), kind: load.Talk, connections: 1, bulk: w.bulk, bulkFlows: flows,
				summary: fmt.Sprintf("64 bytes there and back on a connection that has just sent bulk, beside %d with bulk %s: first ping", flows, w.summary)})
		}
	}
	for _, w := range []workload{
		{name: "down8", summary: "bulk from the target, 8 connections", kind: load.Download, connections: 8},
		{name: "rr64", summary: "64 bytes there and back, 64 connections", kind: load.PingPong, connections: 64},
	} {
		for _, thousands := range []int{0, 1, 10, 100} {
			all = append(all, workload{name: fmt.Sprintf("%s+%dk", w.name, thousands), summary: fmt.Sprintf("%s, beside %d,000 idle ones", w.summary, thousands),
				kind: w.kind, connections: w.connections, idle: 1000 * thousands})
		}
	}
	return all
}

// growthTable compares the cost of a workload with that of the first one of its family, and shows which aims are met.
func growthTable(rows []report.Row) *report.Table {
	t := &report.Table{Words: []int{0, 1, 4, 14}}
	header := append([]string{"workload", "target", "median", "min–max", "unit", "CPU", "÷ first", "CPU, both", "÷ first"}, report.LatencyHeader...)
	t.Lines = append(t.Lines, append(header, "Jain", "pause", "wanted"))
	for i := range rows {
		t.Lines = append(t.Lines, growthCells(rows, &rows[i], len(t.Lines[0])))
	}
	return t
}

func growthCells(rows []report.Row, r *report.Row, columns int) []string {
	if r.Value.N == 0 {
		return append([]string{r.Workload, r.Target, "failed"}, make([]string, columns-3)...)
	}
	c := []string{r.Workload, r.Target, report.Digits(r.Value.Median), report.Digits(r.Value.Min) + "–" + report.Digits(r.Value.Max), r.Unit}
	if r.CPUUnit == "" {
		c = append(c, report.Nothing, report.Nothing, report.Nothing, report.Nothing)
	} else {
		f := first(rows, r)
		c = append(c, report.Digits(r.CPU)+" "+r.CPUUnit, fmt.Sprintf("%.2f", report.Ratio(r.CPU, f.CPU)),
			report.Digits(r.BothCPU)+" "+r.CPUUnit, fmt.Sprintf("%.2f", report.Ratio(r.BothCPU, f.BothCPU)))
	}
	c = append(c, r.Latency.Cells()...)
	jain, pause := report.Nothing, report.Nothing
	if f := r.Fairness; f != nil {
		jain, pause = fmt.Sprintf("%.3f", f.Jain), report.Time(f.Pause)
	}
	var wanted []string
	for _, a := range r.Aims {
		wanted = append(wanted, a.String())
	}
	return append(c, jain, pause, strings.Join(wanted, ", "))
}

// first returns the first row of the same target and family that has figures.
func first(rows []report.Row, r *report.Row) *report.Row {
	i := slices.IndexFunc(rows, func(f report.Row) bool {
		return f.Target == r.Target && family(f.Workload) == family(r.Workload) && f.Value.N > 0
	})
	return &rows[i]
}

// family returns a workload's name without its last number.
func family(name string) string { return strings.TrimRight(name, "0123456789k") }

// leastJain is the aim for Jain's index by number of bulk connections. The values are close to those of gVisor at the
// first measurement.
var leastJain = map[int]float64{64: 0.8, 512: 0.35}

// aim sets the aims of our rows:
//
//   - CPU time for a byte of bulk grows with the number of connections no more than the kernel's does in the same run;
//   - 64 and 512 bulk connections share the data evenly;
//   - a ping on a connection that has just sent bulk takes no longer than gVisor's in the same run, the first as well
//     as the slowest in a hundred.
func aim(rows []report.Row, workloads []*workload) {
	find := func(workload, target string) *report.Row {
		i := slices.IndexFunc(rows, func(r report.Row) bool { return r.Workload == workload && r.Target == target && r.Value.N > 0 })
		if i < 0 {
			return nil
		}
		return &rows[i]
	}
	for _, w := range workloads {
		r := find(w.name, ours)
		if r == nil {
			continue
		}
		if f, kernel := first(rows, r), find(w.name, report.Kernel); kernel != nil && w.isBulk() && w.idle == 0 && f.Workload != r.Workload {
			limit := report.Ratio(kernel.CPU, first(rows, kernel).CPU)
			r.Aims = append(r.Aims, report.Aim{Name: "growth", Value: report.Ratio(r.CPU, f.CPU), Limit: limit})
		}
		if limit, ok := leastJain[w.connections]; ok && r.Fairness != nil {
			r.Aims = append(r.Aims, report.Aim{Name: "Jain", Value: r.Fairness.Jain, Limit: limit, Least: true})
		}
		if gvisor := find(w.name, report.Best); gvisor != nil && w.kind == load.Talk {
			const ms = 1000 // microseconds
			r.Aims = append(r.Aims,
				report.Aim{Name: "first", Value: ms * r.Value.Median, Limit: ms * gvisor.Value.Median, Time: true},
				report.Aim{Name: "p99", Value: r.Latency.P99, Limit: gvisor.Latency.P99, Time: true})
		}
	}
}
