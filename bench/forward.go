//go:build linux

package main

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"minitcp/bench/load"
	"minitcp/bench/report"
	"minitcp/bench/subject"
)

// forward is the catalogue for forwarders: a client behind a TUN, a program that forwards its connections and flows,
// and the kernel's server in another namespace.
var forward = &catalogue{
	command:   "forward",
	workloads: forwardWorkloads,
	all:       subject.Forwarders,
	reads:     subject.MaxReads,
	idle:      5000,
	table:     forwardTable,
	aim:       aimForward,
	place:     forwardName,
}

const (
	wakeupsName = "wakeups"
	wakeupsTime = 20 * time.Second
)

var forwardWorkloads = []workload{
	{name: "up", summary: "bulk to the server, one connection", kind: load.Upload, connections: 1, forwards: true},
	{name: "up8", summary: "bulk to the server, 8 connections", kind: load.Upload, connections: 8, forwards: true},
	{name: "down", summary: "bulk from the server, one connection", kind: load.Download, connections: 1, forwards: true},
	{name: "down8", summary: "bulk from the server, 8 connections", kind: load.Download, connections: 8, forwards: true},
	{name: "rr", summary: "64 bytes there and back, one connection", kind: load.PingPong, connections: 1, forwards: true},
	{name: "crr", summary: "connect, one byte there and back, reset; one at a time", kind: load.Connect, connections: 1, forwards: true},
	{name: "crr32", summary: "connect, one byte there and back, reset; 32 at a time", kind: load.Connect, connections: 32, forwards: true},
	{name: "refused", summary: "connect to a port that nothing listens on, one at a time", kind: load.Refused, connections: 1, forwards: true},
	{name: "udp", summary: "UDP datagrams of 64 bytes there and back, 8 flows with 32 in flight each", kind: load.Small, connections: 8, forwards: true},
	{name: "udp1400", summary: "UDP datagrams of 1400 bytes there and back, 8 flows with 32 in flight each", kind: load.Large, connections: 8, forwards: true},
	{name: "udpjoined", summary: "the same in superframes (UDP_SEGMENT, UDP_GRO), as QUIC libraries send", kind: load.Joined, connections: 8, forwards: true},
	{name: idleName, summary: "memory per idle connection: resident, in Go's heap, and of goroutines' stacks", kind: load.Idle, forwards: true},
	{name: flowName, summary: "the same per UDP flow, of 2000", kind: load.Flows, connections: 2000, forwards: true},
	{name: wakeupsName, summary: fmt.Sprintf("context switches in %v with 100 idle connections", wakeupsTime), kind: load.Idle, connections: 100, wakeups: wakeupsTime, forwards: true},
}

const (
	flowName    = "flow"
	heapSuffix  = "-heap"
	stackSuffix = "-stacks"
)

// restingRows returns the rows of a workload without traffic.
func (w *workload) restingRows() []report.Workload {
	against := []string{report.Shipped, report.Best}
	if w.wakeups > 0 {
		return []report.Workload{{Name: w.name, Unit: "in " + w.wakeups.String()}}
	}
	suffixes := []string{"", heapSuffix, stackSuffix}
	if w.program {
		return []report.Workload{{Name: w.name, Unit: programUnits[w.kind], Against: against}}
	}
	var rows []report.Workload
	for _, suffix := range suffixes {
		rows = append(rows, report.Workload{Name: w.name + suffix, Unit: "bytes", Against: against})
	}
	return rows
}

// forwardTable compares forwarders with gVisor's and with the kernel's routing, and shows which aims are met.
func forwardTable(rows []report.Row) *report.Table {
	t := &report.Table{Words: []int{0, 1, 4, 13}}
	header := append([]string{"workload", "target", "median", "min–max", "unit", "÷ " + report.Shipped, "÷ " + report.Best, "÷ " + subject.Routed,
		"CPU"}, report.LatencyHeader...)
	t.Lines = append(t.Lines, append(header, "errors", "wanted"))
	for i := range rows {
		t.Lines = append(t.Lines, tableCells(rows, &rows[i], len(t.Lines[0]), []string{report.Shipped, report.Best, subject.Routed}))
	}
	return t
}

// tableCells returns the cells of a row with its ratios to other targets.
func tableCells(rows []report.Row, r *report.Row, columns int, others []string) []string {
	if r.Value.N == 0 {
		return append([]string{r.Workload, r.Target, "failed"}, make([]string, columns-3)...)
	}
	c := []string{r.Workload, r.Target, report.Digits(r.Value.Median), report.Digits(r.Value.Min) + "–" + report.Digits(r.Value.Max), r.Unit}
	for _, name := range others {
		ratio := report.Nothing
		if other := rowOf(rows, r.Workload, name); other != nil && report.Ratio(r.Value.Median, other.Value.Median) > 0 {
			ratio = fmt.Sprintf("%.2f", report.Ratio(r.Value.Median, other.Value.Median))
		}
		c = append(c, ratio)
	}
	cpu := report.Nothing
	if r.CPUUnit != "" && r.Target != subject.Routed {
		cpu = report.Digits(r.CPU) + " " + r.CPUUnit
	}
	c = append(append(c, cpu), r.Latency.Cells()...)
	failure := ""
	if r.Error != "" {
		failure = "some"
	}
	var wanted []string
	for _, a := range r.Aims {
		wanted = append(wanted, a.String())
	}
	return append(c, failure, strings.Join(wanted, ", "))
}

// rowOf returns the row with figures of a workload and target; nil if there is none.
func rowOf(rows []report.Row, workload, target string) *report.Row {
	i := slices.IndexFunc(rows, func(r report.Row) bool { return r.Workload == workload && r.Target == target && r.Value.N > 0 })
	if i < 0 {
		return nil
	}
	return &rows[i]
}

// forwardAims are the least ratios to gVisor's forwarder that are wanted.
var forwardAims = map[load.Kind][]struct {
	target string
	least  float64
}{
	load.Upload:   {{report.Shipped, 3}, {report.Best, 1.5}},
	load.Download: {{report.Shipped, 3}, {report.Best, 1.5}},
	load.Connect:  {{report.Shipped, 2}, {report.Best, 2}},
	load.Small:    {{report.Shipped, 2}},
	load.Large:    {{report.Shipped, 2}},
	load.Joined:   {{report.Shipped, 5}},
}

const (
	// goroutines is the size in bytes of the runtime's descriptors of two goroutines, apart from their stacks.
	goroutines = 2 * 448
	// mostIdle is the most memory in bytes that is wanted for an idle connection, besides the stacks of the program's
	// goroutines.
	mostIdle = 2<<10 + goroutines
	// mostFlow is the same for a UDP flow.
	mostFlow = 4<<10 + goroutines
)

// aimForward sets the aims of our rows: least ratios to gVisor, limits of memory, and no wakeups.
func aimForward(rows []report.Row, workloads []*workload) {
	for _, w := range workloads {
		r := rowOf(rows, w.name, ours)
		for _, a := range forwardAims[w.kind] {
			if other := rowOf(rows, w.name, a.target); r != nil && other != nil {
				r.Aims = append(r.Aims, report.Aim{Name: "÷ " + a.target, Value: report.Ratio(r.Value.Median, other.Value.Median), Limit: a.least, Least: true})
			}
		}
	}
	limit := func(workload, name string, limit float64) {
		if r := rowOf(rows, workload, ours); r != nil {
			r.Aims = append(r.Aims, report.Aim{Name: name, Value: r.Value.Median, Limit: limit})
		}
	}
	limit(idleName+heapSuffix, "bytes", mostIdle)
	limit(flowName+heapSuffix, "bytes", mostFlow)
	limit(wakeupsName, wakeupsName, 0)
}
