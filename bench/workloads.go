//go:build linux

package main

import (
	"fmt"
	"time"

	"minitcp/bench/latency"
	"minitcp/bench/load"
	"minitcp/bench/report"
	"minitcp/bench/subject"
)

// workload is one thing that is measured.
type workload struct {
	name        string
	summary     string // one line
	kind        load.Kind
	connections int           // 0 for the number of idle ones in the plan
	idle        int           // number of additional idle connections
	bulk        load.Kind     // direction of additional bulk connections
	bulkFlows   int           // number of those
	forwards    bool          // of forwarders
	program     bool          // of a program of which only the resident memory is known
	wakeups     time.Duration // for which wakeups are counted; 0 for another measure
	mtu         int           // of a gateway's device; 0 for the target's default
	starts      startMeasure  // of a program's start; 0 for another measure
	// once marks a measurement of the first round only, for all targets at the same time, because the programs are idle.
	once bool
}

// startMeasure is a measure of a program's start.
type startMeasure uint8

const (
	readyStart   startMeasure = 1 + iota // until it forwards, and its memory then
	commandStart                         // with a command that does nothing, until it has ended
)

const idleName, idleHeapName = "idle", "idle-heap"

// workloads are those of the comparison in the order of the table.
var workloads = []workload{
	{name: "up", summary: "bulk to the target, one connection", kind: load.Upload, connections: 1},
	{name: "up8", summary: "bulk to the target, 8 connections", kind: load.Upload, connections: 8},
	{name: "down", summary: "bulk from the target, one connection", kind: load.Download, connections: 1},
	{name: "down8", summary: "bulk from the target, 8 connections", kind: load.Download, connections: 8},
	{name: "rr", summary: "64 bytes there and back, one connection", kind: load.PingPong, connections: 1},
	{name: "rr64", summary: "64 bytes there and back, 64 connections", kind: load.PingPong, connections: 64},
	{name: "crr", summary: "connect, one byte there and back, reset; one at a time", kind: load.Connect, connections: 1},
	{name: "crr32", summary: "connect, one byte there and back, reset; 32 at a time", kind: load.Connect, connections: 32},
	{name: idleName, summary: "memory per idle connection, resident and in Go's heap", kind: load.Idle, connections: 0},
}

// warmup returns the time for which a workload runs before it is measured, given the time that one connection needs.
// Many bulk connections need longer. They begin together, find a queue each, take it for the limit of the path, and
// then raise their windows by a segment per round trip, so that their superframes are small for seconds.
func (w *workload) warmup(d time.Duration) time.Duration {
	if w.isBulk() {
		return d * time.Duration(1+w.connections/64)
	}
	return d * time.Duration(1+w.bulkFlows/64)
}

// rests reports whether the connections have no traffic.
func (w *workload) rests() bool { return w.kind == load.Idle || w.kind == load.Flows }

func (w *workload) isBulk() bool { return w.kind == load.Upload || w.kind == load.Download }

func (w *workload) isDatagrams() bool {
	switch w.kind {
	case load.Small, load.Large, load.Joined, load.Offered:
		return true
	}
	return false
}

// rows returns the rows of a workload in the table.
func (w *workload) rows() []report.Workload {
	row := report.Workload{Name: w.name, Against: report.References}
	switch {
	case w.starts == readyStart:
		return []report.Workload{{Name: w.name, Unit: "ms"}, {Name: residentName, Unit: "MB"}}
	case w.starts == commandStart:
		return []report.Workload{{Name: w.name, Unit: "ms"}}
	case w.forwards && w.rests():
		return w.restingRows()
	}
	switch w.kind {
	case load.Upload, load.Download:
		row.Unit, row.CPUUnit = "Gbit/s", "s/GB"
	case load.PingPong, load.Connect, load.Refused, load.Small, load.Large, load.Joined:
		row.Unit, row.CPUUnit = "k/s", "s/1000"
	case load.Talk:
		row.Unit, row.Against = "ms", nil
	case load.Offered:
		row.Unit, row.CPUUnit = "%", "s/1000"
	case load.Idle:
		row.Unit = "bytes"
		row.Against = []string{report.Best} // the memory of the kernel's sockets is in no process
		heap := row
		heap.Name = idleHeapName
		return []report.Workload{row, heap}
	}
	return []report.Workload{row}
}

// point is the state of a measurement at an instant: the work done and the CPU time used until then.
type point struct {
	received, transactions int64           // by the client
	times, firsts          *latency.Counts // of those transactions, and of first pings
	time                   time.Time
	clientCPU              time.Duration
	subject, server        subject.Usage // the same one if the target is the server
}

// value returns the figures of a workload between two points in the units of its row. It is not ok if no work was done.
func (w *workload) value(a, b *point) (value, cpu, bothCPU float64, ok bool) {
	seconds := b.time.Sub(a.time).Seconds()
	var work float64 // GB, or thousands of transactions
	switch w.kind {
	case load.Upload:
		// Work is counted where data arrives, by the clock of that side.
		work = float64(b.server.In-a.server.In) / 1e9
		value = 8 * work / (b.server.Time - a.server.Time).Seconds()
	case load.Download:
		work = float64(b.received-a.received) / 1e9
		value = 8 * work / seconds
	case load.Talk:
		firsts := b.firsts.Since(a.firsts).Summary()
		return float64(firsts.P50) / float64(time.Millisecond), 0, 0, firsts.N > 0
	default:
		work = float64(b.transactions-a.transactions) / 1000
		value = work / seconds
		if w.kind == load.Offered {
			value *= 100 * 1000 / load.OfferedRate
		}
	}
	if work <= 0 {
		return 0, 0, 0, false
	}
	cpu = (b.subject.CPU - a.subject.CPU).Seconds() / work
	return value, cpu, cpu + (b.clientCPU-a.clientCPU).Seconds()/work, true
}

// latency returns the distribution of the time of the transactions between two points; nil for bulk.
func (w *workload) latency(a, b *point) *report.Latency {
	if w.isBulk() || w.rests() || w.isDatagrams() {
		return nil
	}
	s := b.times.Since(a.times).Summary()
	return &report.Latency{P50: us(s.P50), P99: us(s.P99), Max: us(s.Max)}
}

// us returns d in microseconds.
func us(d time.Duration) float64 { return float64(d) / float64(time.Microsecond) }

// verify compares the counts of the client with those of the target, both from beginning to end.
func (w *workload) verify(c load.Total, s subject.Usage) error {
	switch w.kind {
	case load.Refused, load.Small, load.Large, load.Joined, load.Offered, load.Flows:
		return nil // the server has no part in it, or datagrams may be lost
	}
	same := func(what string, client, server int64) error {
		if client != server {
			return fmt.Errorf("%s: the client counts %d, the target %d", what, client, server)
		}
		return nil
	}
	if err := same("connections", c.Connections, s.Accepted); err != nil {
		return err
	}
	if err := same("bytes to the target", c.Sent, s.In); err != nil {
		return err
	}
	if w.kind == load.Download || w.kind == load.Talk {
		return same("bytes from the target", c.Received, s.Out)
	}
	if w.kind != load.Upload {
		return same("bytes sent and returned", c.Sent, c.Received)
	}
	return nil
}
