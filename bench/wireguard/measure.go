package wireguard

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"minitcp/bench/subject"
)

// Command is the first argument of the process that makes one measurement. The others are the stack, the link, the
// workload and the duration.
const Command = "wireguard-measurement"

// Sample is one measurement.
type Sample struct {
	Rate     float64 // of the workload's unit per second
	CPU      float64 // seconds for each of the unit, both ends and encryption included
	Resident float64 // bytes, the most during the measurement
}

// warmUp is the time of traffic before the measurement begins.
const warmUp = 300 * time.Millisecond

// Measure starts a process that measures.
func Measure(ctx context.Context, stack, link, workload string, d time.Duration) (s Sample, err error) {
	self, err := os.Executable()
	if err != nil {
		return s, err
	}
	c := exec.CommandContext(ctx, self, Command, stack, link, workload, d.String())
	var stderr bytes.Buffer
	c.Stderr = &stderr
	out, err := c.Output()
	if err != nil {
		return s, fmt.Errorf("%s, %s, %s: %w\n%s", stack, link, workload, err, stderr.String())
	}
	return s, json.Unmarshal(out, &s)
}

// Main is that process. It returns the exit status.
func Main(arguments []string) int {
	s, err := measure(arguments)
	if err == nil {
		err = json.NewEncoder(os.Stdout).Encode(s)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		return 1
	}
	return 0
}

func measure(arguments []string) (s Sample, err error) {
	if len(arguments) != 4 {
		return s, fmt.Errorf("%d arguments, want a stack, a link, a workload and a duration", len(arguments))
	}
	d, err := time.ParseDuration(arguments[3])
	if err != nil {
		return s, err
	}
	t, err := newTunnel(arguments[0], arguments[1])
	if err != nil {
		return s, err
	}
	for _, w := range Workloads {
		if w.Name == arguments[2] {
			return w.measure(t, d)
		}
	}
	return s, fmt.Errorf("no workload has the name %q", arguments[2])
}

// measure runs a workload for a time, after warmUp.
func (w *Workload) measure(t *tunnel, d time.Duration) (s Sample, err error) {
	var done atomic.Int64
	failed := make(chan error, 1)
	// The traffic continues until both figures have been read, also on a machine that is slow to do that.
	until := time.Now().Add(warmUp + d + time.Minute)
	go func() { failed <- w.run(t, until, &done) }()
	select {
	case err := <-failed:
		return s, fmt.Errorf("the traffic ended early: %v", err)
	case <-time.After(warmUp):
	}
	from, n, cpu := time.Now(), done.Load(), subject.CPUTime()
	select {
	case err := <-failed:
		return s, fmt.Errorf("the traffic ended early: %v", err)
	case <-time.After(d):
	}
	took, cpu := time.Since(from), subject.CPUTime()-cpu
	n = done.Load() - n
	if n == 0 {
		return s, fmt.Errorf("no %s in %v", w.Unit, took)
	}
	s.Rate, s.CPU = float64(n)/took.Seconds(), cpu.Seconds()/float64(n)
	s.Resident, err = mostResident()
	return s, err
}

// mostResident returns the most memory that this process has had resident, in bytes.
func mostResident() (float64, error) {
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0, err
	}
	_, text, _ := strings.Cut(string(status), "VmHWM:")
	text, _, _ = strings.Cut(text, "kB")
	kb, err := strconv.ParseFloat(strings.TrimSpace(text), 64)
	return kb * 1024, err
}
