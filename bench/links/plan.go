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

	"minitcp/bench/emulator"
	"minitcp/bench/report"
)

// Plan is what is to be measured. Choose must have been called.
type Plan struct {
	Rounds int
	// Scale is of the time that each measurement takes.
	Scale float64
	// AtOnce is how many measurements are made at a time, 1 to MostAtOnce, if they are light.
	AtOnce int
	// Trace takes the place of the generated one in the row cellular; empty: none does.
	Trace emulator.Trace
	rows  []row
}

const (
	// MostAtOnce is how many light measurements may be made at a time. There should be a CPU for each: with one more they
	// were seen to lose a twentieth to one another.
	MostAtOnce = 3
	// QuickScale is the scale of a run in less than two minutes.
	QuickScale = 0.2
)

// RowNames are all there are, in the order of the table.
func RowNames() (names []string) {
	for _, r := range rows() {
		names = append(names, r.name)
	}
	return names
}

// List tells of each row.
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
			r.path.trace = func(uint64) emulator.Trace { return p.Trace }
		}
		p.rows = append(p.rows, r)
	}
}

// String is how it was measured.
func (p *Plan) String() string {
	s := fmt.Sprintf("%d rounds, of what takes long at most %d; up to %d measurements at once", p.Rounds, mostLong, p.AtOnce)
	if p.Scale != 1 {
		s += fmt.Sprintf(", each for %v of its time", p.Scale)
	}
	return s
}

// overhead is about what a measurement takes beyond its time.
const overhead = 300 * time.Millisecond

func (p *Plan) scaled(d time.Duration) time.Duration { return time.Duration(float64(d) * p.Scale) }

// estimate is about how long all of it takes.
func (p *Plan) estimate() (total time.Duration) {
	for i := range p.rows {
		r := &p.rows[i]
		each := p.scaled(r.warmup+r.duration) + overhead
		total += each * time.Duration(p.roundsOf(r)*len(r.entries)*p.weight(r)) / maxWeight
	}
	return total
}

// roundsOf is how often a row is measured.
func (p *Plan) roundsOf(r *row) int {
	if r.most == 0 {
		return p.Rounds
	}
	return min(p.Rounds, r.most)
}

// weight is how much of the machine a measurement gets.
func (p *Plan) weight(r *row) int { return max(r.weight, maxWeight/p.AtOnce) }

func (p *Plan) measurements() (n int) {
	for i := range p.rows {
		n += p.roundsOf(&p.rows[i]) * len(p.rows[i].entries)
	}
	return n
}

// Run measures everything: in each round each row, and in each row the entries in turn, beginning with another each
// round. Some are measured at once, each with a link of its own, as many as the machine can bear. What fails in a row is
// not tried in it again. It returns an error only when it was told to stop.
func (p *Plan) Run(ctx context.Context, progress io.Writer) (samples []Sample, err error) {
	// A thread that comes back from a system call wants a P, and the links' must not wait for one that somebody has whom
	// the kernel is not running.
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

// tell is a measurement in a few words.
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

// shares are of the machine: those who want some wait until there are enough.
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
