//go:build linux

package main

import (
	"context"
	"fmt"
	"io"
	"strings"
	"sync"
	"time"

	"minitcp/bench/pattern"
	"minitcp/bench/report"
	"minitcp/bench/subject"
)

// plan is a choice of workloads and targets, and how they are measured.
type plan struct {
	workloads        []*workload
	targets          []subject.Target
	rounds           int
	duration, warmup time.Duration // of each measurement
	connections      int           // number of idle ones
	rest             time.Duration // time that those are idle before their memory is measured
	profiles         string        // directory for profiles of the process under test; "" for none
	care             pattern.Care  // of the comparison of bulk data
	reads            int           // maximum number of bytes of bulk data per read of a goroutine
}

// overhead is the approximate time of a measurement beyond its duration: for namespaces, a process, and verification.
const overhead = 300 * time.Millisecond

// estimate returns the approximate time of the plan.
func (p *plan) estimate() time.Duration {
	var all, once time.Duration
	for _, w := range p.workloads {
		each := overhead
		switch {
		case w.starts != 0:
		case w.rests():
			each += p.rest + w.wakeups
		default:
			each += p.duration + w.warmup(p.warmup)
		}
		if w.once {
			once += each
		} else {
			all += each
		}
	}
	return time.Duration(p.rounds*len(p.targets))*all + once
}

// run measures each workload in each round, and each target in turn for each workload. A target that fails in a
// workload is left out of it in later rounds. The error is the cause of the end of ctx.
func (p *plan) run(ctx context.Context, progress io.Writer) ([]report.Sample, error) {
	r := &progressOf{plan: p, total: p.measurements(), out: progress, done: make(map[string]bool)}
	fmt.Fprintf(progress, "%d measurements, about %v\n", r.total, p.estimate().Round(time.Second))
	for round := range p.rounds {
		for _, w := range p.workloads {
			if w.once && round > 0 {
				continue
			}
			var together sync.WaitGroup
			for _, target := range p.order(round) {
				if w.once {
					together.Go(func() { r.measure(ctx, w, target, round) })
				} else {
					r.measure(ctx, w, target, round)
				}
				if ctx.Err() != nil {
					break
				}
			}
			together.Wait()
			if ctx.Err() != nil {
				return r.samples, context.Cause(ctx)
			}
		}
	}
	return r.samples, nil
}

// measurements returns the number of measurements of the plan.
func (p *plan) measurements() (n int) {
	for _, w := range p.workloads {
		if w.once {
			n += len(p.targets)
		} else {
			n += p.rounds * len(p.targets)
		}
	}
	return n
}

// progressOf is the state of a plan that runs.
type progressOf struct {
	*plan
	total int
	out   io.Writer

	mu       sync.Mutex
	measured int
	done     map[string]bool // workloads and targets that failed or are left out
	samples  []report.Sample
}

// measure measures a target in a workload unless it is left out.
func (r *progressOf) measure(ctx context.Context, w *workload, target subject.Target, round int) {
	pair := w.name + " " + target.Name
	if r.leaveOut(w, target, pair) {
		return
	}
	got, err := r.plan.measure(ctx, w, target, round)
	if ctx.Err() != nil {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if err != nil {
		r.done[pair] = true
		got = failures(w, target.Name, round, err)
	}
	r.samples = append(r.samples, got...)
	fmt.Fprintf(r.out, "%*d/%d  round %d  %-5s  %-14s  %s\n", len(fmt.Sprint(r.total)), r.measured, r.total, round+1, w.name, target.Name, tell(w, got))
}

// leaveOut counts a measurement, and reports whether it is left out.
func (r *progressOf) leaveOut(w *workload, target subject.Target, pair string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.measured++
	if r.done[pair] {
		return true
	}
	if err := w.has(target); err != nil {
		r.done[pair] = true
		fmt.Fprintf(r.out, "%s of %s is left out: %v\n", w.name, target.Name, err)
		return true
	}
	return false
}

// order returns the targets in the order of a round. Each round begins with another one.
func (p *plan) order(round int) []subject.Target {
	first := round % len(p.targets)
	return append(append([]subject.Target(nil), p.targets[first:]...), p.targets[:first]...)
}

// failures returns the samples of a measurement that failed: one for each row of the workload.
func failures(w *workload, target string, round int, err error) (samples []report.Sample) {
	for _, row := range w.rows() {
		samples = append(samples, report.Sample{Workload: row.Name, Target: target, Round: round, Error: strings.ReplaceAll(err.Error(), "\n", "; ")})
	}
	return samples
}

// tell returns one measurement as a short text.
func tell(w *workload, samples []report.Sample) (text string) {
	for i, s := range samples {
		if s.Error != "" {
			return "FAILED: " + s.Error
		}
		if i > 0 {
			text += ", "
		}
		text += report.Digits(s.Value) + " " + w.rows()[i].Unit
	}
	return text
}

// results returns the rows of the table.
func (p *plan) results(samples []report.Sample) []report.Row {
	var rows []report.Workload
	for _, w := range p.workloads {
		rows = append(rows, w.rows()...)
	}
	var targets []string
	for _, t := range p.targets {
		targets = append(targets, t.Name)
	}
	return report.Rows(samples, rows, targets)
}
