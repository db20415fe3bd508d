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

// growth is what more connections cost: the same work done by 1 to 512 of them, or beside 1000 to 100,000 that are idle.
var growth = &catalogue{
	command:   "growth",
	workloads: growthWorkloads(),
	all:       slices.DeleteFunc(slices.Clone(subject.Targets), isFloor),
	targets:   "minitcp",
	reads:     128 << 10, // 512 buffers of 256 KiB would be more than any cache holds, and none of TCP's
	table:     growthTable,
	place:     growthName,
}

// isFloor picks the one target that tells a client's connections apart by their port alone.
func isFloor(t subject.Target) bool { return t.Name == report.Floor }

func growthWorkloads() (all []workload) {
	for _, w := range []workload{
		{name: "up", summary: "bulk to the target", kind: load.Upload},
		{name: "down", summary: "bulk from the target", kind: load.Download},
		{name: "rr", summary: "64 octets there and back", kind: load.PingPong},
	} {
		for _, flows := range []int{1, 8, 64, 512} {
			all = append(all, workload{
				fmt.Sprint(w.name, flows), fmt.Sprintf("%s, connections: %d", w.summary, flows), w.kind, flows, 0,
			})
		}
	}
	for _, w := range []workload{
		{name: "down8", summary: "bulk from the target, 8 connections", kind: load.Download, connections: 8},
		{name: "rr64", summary: "64 octets there and back, 64 connections", kind: load.PingPong, connections: 64},
	} {
		for _, thousands := range []int{0, 1, 10, 100} {
			all = append(all, workload{
				fmt.Sprintf("%s+%dk", w.name, thousands), fmt.Sprintf("%s, and %d,000 that are idle", w.summary, thousands),
				w.kind, w.connections, 1000 * thousands,
			})
		}
	}
	return all
}

// growthTable compares what the same work costs with the first workload of its family.
func growthTable(rows []report.Row) *report.Table {
	t := &report.Table{Words: []int{0, 1, 4}}
	t.Lines = append(t.Lines, []string{"workload", "target", "median", "min–max", "unit", "CPU", "÷ first", "CPU, both", "÷ first"})
	first := make(map[string]report.Row) // by family and target
	for _, r := range rows {
		if r.Value.N == 0 {
			t.Lines = append(t.Lines, append([]string{r.Workload, r.Target, "failed"}, make([]string, len(t.Lines[0])-3)...))
			continue
		}
		key := family(r.Workload) + " " + r.Target
		if _, ok := first[key]; !ok {
			first[key] = r
		}
		f := first[key]
		t.Lines = append(t.Lines, []string{
			r.Workload, r.Target, report.Digits(r.Value.Median), report.Digits(r.Value.Min) + "–" + report.Digits(r.Value.Max), r.Unit,
			report.Digits(r.CPU) + " " + r.CPUUnit, fmt.Sprintf("%.2f", report.Ratio(r.CPU, f.CPU)),
			report.Digits(r.BothCPU) + " " + r.CPUUnit, fmt.Sprintf("%.2f", report.Ratio(r.BothCPU, f.BothCPU)),
		})
	}
	return t
}

// family is a workload's name without the last number.
func family(name string) string { return strings.TrimRight(name, "0123456789k") }
