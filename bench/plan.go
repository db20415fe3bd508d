//go:build linux

package main

import (
	"context"
	"fmt"
	"io"
	"strings"
	"time"

	"minitcp/bench/load"
	"minitcp/bench/pattern"
	"minitcp/bench/report"
	"minitcp/bench/subject"
)

// plan is what is to be measured.
type plan struct {
	workloads        []*workload
	targets          []subject.Target
	rounds           int
	duration, warmup time.Duration // of each measurement
	connections      int           // idle ones
	rest             time.Duration // for which those have been idle when their memory is measured
	profiles         string        // the directory for profiles of the process under test; "": none
	care             pattern.Care  // with which bulk data is compared
	reads            int           // octets that a goroutine reads of it at once
}

// overhead is about what a measurement takes beyond its time: namespaces, a process, verification.
const overhead = 300 * time.Millisecond

// estimate is about how long all of it takes.
func (p *plan) estimate() time.Duration {
	round := time.Duration(len(p.workloads)) * (p.duration + overhead)
	for _, w := range p.workloads {
		round += w.warmup(p.warmup)
		if w.kind == load.Idle {
			round += p.rest
		}
	}
	return time.Duration(p.rounds*len(p.targets)) * round
}

// run measures everything: in each round each workload, and in each workload the targets in turn. A target that fails in
// a workload is not tried in it again. It returns an error only when it was told to stop.
func (p *plan) run(ctx context.Context, progress io.Writer) (samples []report.Sample, err error) {
	total := p.rounds * len(p.workloads) * len(p.targets)
	fmt.Fprintf(progress, "%d measurements, about %v\n", total, p.estimate().Round(time.Second))
	done := make(map[string]bool) // failed, or left out
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

// order is the targets' order in a round: each time another begins.
func (p *plan) order(round int) []subject.Target {
	first := round % len(p.targets)
	return append(append([]subject.Target(nil), p.targets[first:]...), p.targets[:first]...)
}

// failures are the samples of a measurement that failed: one for each of the workload's rows.
func failures(w *workload, target string, round int, err error) (samples []report.Sample) {
	for _, row := range w.rows() {
		samples = append(samples, report.Sample{Workload: row.Name, Target: target, Round: round, Error: strings.ReplaceAll(err.Error(), "\n", "; ")})
	}
	return samples
}

// tell is one measurement in a few words.
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

// results are the table's rows.
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
