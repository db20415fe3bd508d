//go:build linux

package main

import (
	"context"
	"fmt"
	"io"
	"strings"
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
	round := time.Duration(len(p.workloads)) * (p.duration + overhead)
	for _, w := range p.workloads {
		round += w.warmup(p.warmup)
		if w.rests() {
			round += p.rest + w.wakeups
		}
	}
	return time.Duration(p.rounds*len(p.targets)) * round
}

// run measures each workload in each round, and each target in turn for each workload. A target that fails in a
// workload is left out of it in later rounds. The error is the cause of the end of ctx.
func (p *plan) run(ctx context.Context, progress io.Writer) (samples []report.Sample, err error) {
	total := p.rounds * len(p.workloads) * len(p.targets)
	fmt.Fprintf(progress, "%d measurements, about %v\n", total, p.estimate().Round(time.Second))
	done := make(map[string]bool) // workloads and targets that failed or are left out
	n := 0
	for round := range p.rounds {
		for _, w := range p.workloads {
			for _, target := range p.order(round) {
				n++
				pair := w.name + " " + target.Name
				if done[pair] {
					continue
				}
				if err := w.has(target); err != nil {
					done[pair] = true
					fmt.Fprintf(progress, "%s of %s is left out: %v\n", w.name, target.Name, err)
					continue
				}
				got, err := p.measure(ctx, w, target, round)
				if ctx.Err() != nil {
					return samples, context.Cause(ctx)
				}
				if err != nil {
					done[pair] = true
					got = failures(w, target.Name, round, err)
				}
				samples = append(samples, got...)
				fmt.Fprintf(progress, "%*d/%d  round %d  %-5s  %-14s  %s\n", len(fmt.Sprint(total)), n, total, round+1, w.name, target.Name, tell(w, got))
			}
		}
	}
	return samples, nil
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
