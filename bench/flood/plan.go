//go:build linux

package flood

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"minitcp/bench/report"
	"minitcp/bench/subject"
)

// MaxRate is the highest rate of a flood in SYNs per second.
const MaxRate = 1_000_000

// Targets are the names of all targets.
var Targets = []string{report.Ours, report.Floor, report.Shipped, report.Best, report.Kernel}

// Plan is a choice of rates and targets, and how they are measured.
type Plan struct {
	Rates    []int // SYNs per second
	Targets  []subject.Target
	Rounds   int
	Duration time.Duration // of each measurement, without and with the flood
	Profiles string        // directory for profiles of the targets under the flood; "" for none
}

// Run measures each target in turn in each round. The error joins those of the measurements that failed.
func (p *Plan) Run(ctx context.Context, progress io.Writer) (samples []Sample, err error) {
	for round := range p.Rounds {
		for _, rate := range p.Rates {
			for _, target := range p.Targets {
				s, failure := p.measure(ctx, target, rate, round)
				if ctx.Err() != nil {
					return samples, context.Cause(ctx)
				}
				if failure != nil {
					err = errors.Join(err, fmt.Errorf("%s, %d SYNs/s: %w", target.Name, rate, failure))
					continue
				}
				samples = append(samples, s)
				fmt.Fprintf(progress, "round %d  %-14s  %6d SYNs/s: connects %.2f, succeeded %.4f, pings %.2f\n", round+1, target.Name, rate, s.connects(), s.succeeded(), s.pings())
			}
		}
	}
	return samples, err
}

// Sample is one measurement.
type Sample struct {
	Target       string
	Rate         int   // SYNs per second that were wanted
	Sent         int64 // SYNs in all
	Quiet, Under Pace  // without and with the flood
	// Succeeded and Failed are the numbers of honest connections that ended after the warm-up of the flood.
	Succeeded, Failed int64
	Growth            int64  // bytes of resident memory
	Cookies           string // tcp_syncookies of the target's namespace
}

// Pace has numbers per second.
type Pace struct{ Connects, Pings, SYNs float64 }

func (s *Sample) connects() float64 { return report.Ratio(s.Under.Connects, s.Quiet.Connects) }
func (s *Sample) pings() float64    { return report.Ratio(s.Under.Pings, s.Quiet.Pings) }
func (s *Sample) succeeded() float64 {
	return report.Ratio(float64(s.Succeeded), float64(s.Succeeded+s.Failed))
}
