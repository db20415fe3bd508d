//go:build linux

package links

import (
	"context"
	"fmt"
	"io"
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"

	"minitcp/bench/report"
	"minitcp/conn/netem"
)

// Plan is a choice of rows and targets, and how they are measured. Choose must have been called.
type Plan struct {
	Rounds int
	// Scale is the factor for the time of each measurement.
	Scale float64
	// AtOnce is the number of light measurements at a time, 1 to MostAtOnce.
	AtOnce int
	// Trace takes the place of the generated one in the row cellular unless it is empty.
	Trace netem.Trace
	rows  []row
}

const (
	// MostAtOnce is the limit of light measurements at a time. There should be a CPU for each, because otherwise they slow
	// each other down.
	MostAtOnce = 3
	// QuickScale is the scale of a run in less than two minutes.
	QuickScale = 0.2
)

// RowNames returns the names of all rows in the order of the table.
func RowNames() (names []string) {
	for _, r := range rows() {
		names = append(names, r.name)
	}
	return names
}

// List writes the name and summary of each row.
func List(w io.Writer) {
	for _, r := range rows() {
		fmt.Fprintf(w, "  %-14s  %s\n", r.name, r.summary)
	}
}

// Choose determines which rows are measured, with which targets. Trace must be set before.
func (p *Plan) Choose(names, targets []string) {
	for _, r := range rows() {
		if !slices.Contains(names, r.name) {
			continue
		}
		r.entries = slices.DeleteFunc(r.entries, func(e entry) bool { return len(e.flows) > 0 && !slices.Contains(targets, e.name) })
		if r.path.trace != nil && len(p.Trace) > 0 {
			r.path.trace = func(uint64) netem.Trace { return p.Trace }
		}
		p.rows = append(p.rows, r)
	}
}

// String describes how the plan is measured.
func (p *Plan) String() string {
	s := fmt.Sprintf("%d rounds, of what takes long at most %d; up to %d measurements at once", p.Rounds, mostLong, p.AtOnce)
	if p.Scale != 1 {
		s += fmt.Sprintf(", each for %v of its time", p.Scale)
	}
	return s
}

// overhead is the approximate time of a measurement beyond its duration.
const overhead = 300 * time.Millisecond

func (p *Plan) scaled(d time.Duration) time.Duration { return time.Duration(float64(d) * p.Scale) }

// estimate returns the approximate time of the plan.
func (p *Plan) estimate() (total time.Duration) {
	for i := range p.rows {
		r := &p.rows[i]
		each := p.scaled(r.warmup+r.duration) + overhead
		total += each * time.Duration(p.roundsOf(r)*len(r.entries)*p.weight(r)) / maxWeight
	}
	return total
}

// roundsOf returns the number of rounds of a row.
func (p *Plan) roundsOf(r *row) int {
	if r.most == 0 {
		return p.Rounds
	}
	return min(p.Rounds, r.most)
}

// weight returns the part of the machine that a measurement of a row gets, of maxWeight.
func (p *Plan) weight(r *row) int { return max(r.weight, maxWeight/p.AtOnce) }

func (p *Plan) measurements() (n int) {
	for i := range p.rows {
		n += p.roundsOf(&p.rows[i]) * len(p.rows[i].entries)
	}
	return n
}

// Run measures each row in each round, and the entries of each row in turn, beginning with another one in each round.
// Several light measurements are made at a time, each with a link of its own. An entry that fails in a row is left
// out of it in later rounds. The error is the cause of the end of ctx.
func (p *Plan) Run(ctx context.Context, progress io.Writer) (samples []Sample, err error) {
	// A thread needs a P after a system call, and the threads of the links must not wait for one of a thread that is not
	// running.
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(32))
	total := p.measurements()
	fmt.Fprintf(progress, "%d measurements, about %v\n", total, p.estimate().Round(time.Second))
	var (
		mu      sync.Mutex
		failed  = make(map[string]bool)
		n       int
		running sync.WaitGroup
		machine = newShares(maxWeight)
	)
	for round := range p.Rounds {
		for i := range p.rows {
			r := &p.rows[i]
			if round >= p.roundsOf(r) {
				continue
			}
			for j := range r.entries {
				e := &r.entries[(j+round)%len(r.entries)]
				weight := p.weight(r)
				machine.take(weight)
				if ctx.Err() != nil {
					running.Wait()
					return samples, context.Cause(ctx)
				}
				running.Go(func() {
					defer machine.give(weight)
					mu.Lock()
					skip := failed[r.name+e.name]
					mu.Unlock()
					if skip {
						return
					}
					s, err := r.take(ctx, e, round, p.scaled)
					if ctx.Err() != nil {
						return
					}
					mu.Lock()
					defer mu.Unlock()
					n++
					if err != nil {
						failed[r.name+e.name] = true
						s = Sample{Row: r.name, Entry: e.name, Round: round, Timeouts: -1, Spurious: -1, Error: strings.ReplaceAll(err.Error(), "\n", "; ")}
					}
					samples = append(samples, s)
					fmt.Fprintf(progress, "%*d/%d  round %d  %-10s  %-13s  %s\n", len(fmt.Sprint(total)), n, total, round+1, r.name, e.name, r.tell(&s))
				})
			}
		}
	}
	running.Wait()
	if ctx.Err() != nil {
		return samples, context.Cause(ctx)
	}
	slices.SortStableFunc(samples, func(a, b Sample) int { return a.Round - b.Round })
	return samples, nil
}

// tell returns a measurement as a short text.
func (r *row) tell(s *Sample) string {
	if s.Error != "" {
		return "FAILED: " + s.Error
	}
	text := report.Digits(s.Value) + " " + units[r.measure]
	if len(s.Goodput) > 1 {
		var flows []string
		for _, g := range s.Goodput {
			flows = append(flows, report.Digits(g))
		}
		text += " (" + strings.Join(flows, ", ") + " Mbit/s)"
	}
	return text
}

// shares are the free parts of the machine. A measurement waits until there are enough.
type shares struct {
	mu   sync.Mutex
	cond *sync.Cond
	left int
}

func newShares(n int) *shares {
	s := &shares{left: n}
	s.cond = sync.NewCond(&s.mu)
	return s
}

func (s *shares) take(n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for s.left < n {
		s.cond.Wait()
	}
	s.left -= n
}

func (s *shares) give(n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.left += n
	s.cond.Broadcast()
}
