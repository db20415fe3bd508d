//go:build linux

package main

import (
	"context"
	"errors"
	"io"
	"os"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"minitcp/bench/load"
	"minitcp/bench/report"
	"minitcp/bench/subject"
)

// The processes under test are this test binary again.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == subject.Command {
		os.Exit(subject.Main(os.Args[2:]))
	}
	if len(os.Args) > 1 && os.Args[1] == load.BystandersCommand {
		os.Exit(load.BystandersMain(os.Args[2:]))
	}
	os.Setenv("GORACE", "atexit_sleep_ms=0 "+os.Getenv("GORACE")) // each of them would wait a second, under -race
	os.Exit(m.Run())
}

// requireKernel ends the test if it cannot make namespaces and devices: as a failure in CI, where a skip would hide
// that nothing was tested, and as a skip elsewhere.
func requireKernel(t *testing.T) {
	t.Helper()
	missing := ""
	if os.Geteuid() != 0 {
		missing = "root"
	} else if _, err := os.Stat("/dev/net/tun"); err != nil {
		missing = "/dev/net/tun"
	}
	switch {
	case missing == "":
	case os.Getenv("CI") == "true":
		t.Fatalf("NOT TESTED: this test needs %s", missing)
	default:
		t.Skipf("NOT TESTED: this test needs %s", missing)
	}
}

// parsed returns the plan of a command line.
func parsed(t *testing.T, arguments ...string) *plan {
	t.Helper()
	return parsedFor(t, comparison, arguments...)
}

func parsedFor(t *testing.T, what *catalogue, arguments ...string) *plan {
	t.Helper()
	o, err := parse(what, arguments, io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	return &o.plan
}

// childless fails the test if a child process is left.
func childless(t *testing.T) {
	t.Helper()
	if pid, err := unix.Wait4(-1, nil, unix.WNOHANG, nil); err != unix.ECHILD {
		t.Errorf("there is a child still: %d, %v", pid, err)
	}
}

// Every target can be measured in every kind of workload, and ours in all of them.
func TestEveryTarget(t *testing.T) {
	requireKernel(t)
	for _, what := range []string{"-workloads=up,down8,rr64,crr,idle", "-workloads=up8,down,rr,crr32 -targets=minitcp"} {
		p := parsed(t, append(strings.Fields(what), "-rounds", "1", "-duration", "100ms", "-warmup", "10ms", "-connections", "100", "-rest", "10ms")...)
		samples, err := p.run(t.Context(), io.Discard)
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range samples {
			if s.Error != "" {
				t.Errorf("%s of %s: %s", s.Workload, s.Target, s.Error)
			}
		}
		want := 0
		for _, w := range p.workloads {
			want += len(p.targets) * len(w.rows())
		}
		rows := p.results(samples)
		if len(rows) != want || len(samples) != want {
			t.Errorf("%d rows of %d samples, want %d", len(rows), len(samples), want)
		}
		for _, r := range rows {
			if r.Value.Median <= 0 && r.Workload != idleHeapName { // the floor has nothing on its heap
				t.Errorf("%s of %s is %v", r.Workload, r.Target, r.Value.Median)
			}
			timed := r.Unit == "k/s"
			if l := r.Latency; timed != (l != nil) || timed && !(l.P50 > 0 && l.P50 <= l.P99 && l.P99 <= l.Max) {
				t.Errorf("%s of %s: latency %+v", r.Workload, r.Target, l)
			}
			if r.CPUUnit != "" && (r.CPU < 0 || r.BothCPU <= r.CPU) {
				t.Errorf("%s of %s: CPU %v of its own, %v with the client's", r.Workload, r.Target, r.CPU, r.BothCPU)
			}
		}
	}
	childless(t)
}

// An interrupt ends a measurement in progress, and leaves nothing behind.
func TestInterrupt(t *testing.T) {
	requireKernel(t)
	for _, workload := range []string{"up", "down", "rr", "rr64", "crr", "crr32"} {
		p := parsed(t, "-duration", "1m", "-workloads", workload, "-targets", "minitcp,kernel")
		cause := errors.New("enough")
		ctx, cancel := context.WithTimeoutCause(t.Context(), 100*time.Millisecond, cause)
		samples, err := p.run(ctx, io.Discard)
		cancel()
		if !errors.Is(err, cause) || len(samples) > 0 {
			t.Errorf("%s: %d samples, %v", workload, len(samples), err)
		}
		childless(t)
	}
}

// A target that fails is reported, and the others are measured.
func TestFailingTarget(t *testing.T) {
	requireKernel(t)
	p := parsed(t, "-rounds", "2", "-duration", "100ms", "-warmup", "0", "-workloads", "rr", "-targets", "minitcp")
	p.targets = append([]subject.Target{{Name: "nonsense"}}, p.targets...)
	samples, err := p.run(t.Context(), io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	rows := report.Rows(samples, find(t, "rr").rows(), []string{"nonsense", "minitcp"})
	if len(rows) != 2 || rows[0].Value.N != 0 || !strings.Contains(rows[0].Error, `there is no target "nonsense"`) {
		t.Errorf("of a target that fails: %+v", rows[0])
	}
	if rows[1].Value.N != 2 || rows[1].Error != "" {
		t.Errorf("of the other: %+v", rows[1])
	}
	childless(t)
}
