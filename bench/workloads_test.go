//go:build linux

package main

import (
	"strings"
	"testing"
	"time"

	"minitcp/bench/latency"
	"minitcp/bench/load"
	"minitcp/bench/subject"
)

func find(t *testing.T, name string) *workload {
	t.Helper()
	for i := range workloads {
		if workloads[i].name == name {
			return &workloads[i]
		}
	}
	t.Fatalf("there is no workload %q", name)
	return nil
}

// Bulk is counted where it arrives, by the clock of that side. The CPU time is that of the process under test.
func TestValue(t *testing.T) {
	start := time.Now()
	a := point{received: 1e9, transactions: 5000, time: start, clientCPU: time.Second,
		server: subject.Usage{Time: time.Second, In: 2e9}, subject: subject.Usage{CPU: 3 * time.Second}}
	b := point{received: 5e9, transactions: 9000, time: start.Add(2 * time.Second), clientCPU: 2 * time.Second,
		server: subject.Usage{Time: 2 * time.Second, In: 3e9}, subject: subject.Usage{CPU: 5 * time.Second}}
	for _, test := range []struct {
		workload         string
		value, cpu, both float64
	}{
		{"up", 8, 2, 3},
		{"down8", 16, 0.5, 0.75},
		{"rr64", 2, 0.5, 0.75},
		{"crr", 2, 0.5, 0.75},
	} {
		value, cpu, both, ok := find(t, test.workload).value(&a, &b)
		if !ok || value != test.value || cpu != test.cpu || both != test.both {
			t.Errorf("%s: %v, CPU %v and %v, ok %v; want %v, %v and %v", test.workload, value, cpu, both, ok, test.value, test.cpu, test.both)
		}
		still := point{time: b.time, received: a.received, transactions: a.transactions, server: subject.Usage{Time: b.server.Time, In: a.server.In}}
		if value, _, _, ok := find(t, test.workload).value(&a, &still); ok {
			t.Errorf("%s: without work the value is %v", test.workload, value)
		}
	}
}

// Latency is that of the transactions between two points.
func TestLatency(t *testing.T) {
	var h latency.Histogram
	h.Record(time.Hour)
	a := point{times: h.Counts()}
	h.Record(2 * time.Microsecond)
	b := point{times: h.Counts()}
	for _, name := range []string{"rr", "crr32"} {
		if l := find(t, name).latency(&a, &b); l == nil || l.P50 < 2 || l.Max > 2.1 || l.P50 != l.Max {
			t.Errorf("%s: %+v, want 2 µs", name, l)
		}
	}
	if l := find(t, "up").latency(&a, &b); l != nil {
		t.Errorf("up: %+v, want none", l)
	}
}

func TestVerify(t *testing.T) {
	for _, test := range []struct {
		workload string
		client   load.Total
		server   subject.Usage
		want     string // in the error; "": none
	}{
		{"up", load.Total{Connections: 1, Sent: 10}, subject.Usage{Accepted: 1, In: 10}, ""},
		{"up", load.Total{Connections: 1, Sent: 10}, subject.Usage{Accepted: 1, In: 9}, "bytes to the target: the client counts 10, the target 9"},
		{"up8", load.Total{Connections: 8, Sent: 10}, subject.Usage{Accepted: 7, In: 10}, "connections: the client counts 8, the target 7"},
		{"down", load.Total{Connections: 1, Sent: 1, Received: 10}, subject.Usage{Accepted: 1, In: 1, Out: 10}, ""},
		{"down", load.Total{Connections: 1, Sent: 1, Received: 10}, subject.Usage{Accepted: 1, In: 1, Out: 11}, "bytes from the target"},
		{"rr", load.Total{Connections: 1, Sent: 128, Received: 128, Transactions: 2}, subject.Usage{Accepted: 1, In: 128, Out: 64}, ""},
		{"rr", load.Total{Connections: 1, Sent: 128, Received: 64, Transactions: 1}, subject.Usage{Accepted: 1, In: 128, Out: 64}, "bytes sent and returned"},
		{"crr32", load.Total{Connections: 5, Sent: 5, Received: 5, Transactions: 5}, subject.Usage{Accepted: 6, In: 5}, "connections"},
		{"idle", load.Total{Connections: 5, Sent: 5, Received: 5, Transactions: 5}, subject.Usage{Accepted: 5, In: 5, Out: 5}, ""},
	} {
		err := find(t, test.workload).verify(test.client, test.server)
		if test.want == "" && err != nil {
			t.Errorf("%s: %v", test.workload, err)
		}
		if test.want != "" && (err == nil || !strings.Contains(err.Error(), test.want)) {
			t.Errorf("%s: %+v and %+v: %v, want %q", test.workload, test.client, test.server, err, test.want)
		}
	}
}

// Many bulk connections warm up longer.
func TestWarmup(t *testing.T) {
	for _, test := range []struct {
		workload *workload
		want     time.Duration
	}{
		{find(t, "up8"), time.Second}, {find(t, "rr64"), time.Second},
		{&workload{kind: load.Download, connections: 64}, 2 * time.Second},
		{&workload{kind: load.Upload, connections: 512}, 9 * time.Second},
	} {
		if got := test.workload.warmup(time.Second); got != test.want {
			t.Errorf("%+v: %v, want %v", test.workload, got, test.want)
		}
	}
}

// Each round begins with another target and has all of them.
func TestOrder(t *testing.T) {
	p := plan{targets: []subject.Target{{Name: "a"}, {Name: "b"}, {Name: "c"}}}
	got := ""
	for round := range 4 {
		for _, target := range p.order(round) {
			got += target.Name
		}
		got += " "
	}
	if got != "abc bca cab abc " {
		t.Errorf("the order is %s", got)
	}
}
