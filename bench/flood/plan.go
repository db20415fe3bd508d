//go:build linux

package flood

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"minitcp/bench/report"
	"minitcp/bench/subject"
)

// MaxRate is the highest rate of a flood in SYNs per second.
const MaxRate = 1_000_000

// MaxRTT is the longest round-trip time. Handshakes take one, and must end within [load.TryTime].
const MaxRTT = time.Second

// Targets are the names of all targets.
var Targets = []string{report.Ours, report.Floor, report.Shipped, report.Best, report.Kernel}

// Case is a flood, and the distance of the honest clients. The flood comes from nearby.
type Case struct {
	Rate int           // SYNs per second
	RTT  time.Duration // round-trip time of an emulated link; 0 without one
}

// ParseCase parses a rate, or RATE@RTT.
func ParseCase(s string) (c Case, err error) {
	rate, rtt, far := strings.Cut(s, "@")
	if c.Rate, err = strconv.Atoi(rate); err != nil || c.Rate < 1 || c.Rate > MaxRate {
		return c, fmt.Errorf("%q is not a number within 1 and %d", rate, MaxRate)
	}
	if far {
		if c.RTT, err = time.ParseDuration(rtt); err != nil || c.RTT <= 0 || c.RTT > MaxRTT {
			return c, fmt.Errorf("%q is not a time of up to %v", rtt, MaxRTT)
		}
	}
	return c, nil
}

// takes reports whether a target serves the clients of the case. The floor serves one address, the nearby one.
func (c Case) takes(target subject.Target) bool { return c.RTT == 0 || target.Name != report.Floor }

// String is the inverse of ParseCase.
func (c Case) String() string {
	if c.RTT == 0 {
		return strconv.Itoa(c.Rate)
	}
	return fmt.Sprintf("%d@%v", c.Rate, c.RTT)
}

// Plan is a choice of cases and targets, and how they are measured.
type Plan struct {
	Cases    []Case
	Targets  []subject.Target
	Rounds   int
	Duration time.Duration // of each measurement, without and with the flood
	Profiles string        // directory for profiles of the targets under the flood; "" for none
}

// Run measures each target in turn in each round. The error joins those of the measurements that failed.
func (p *Plan) Run(ctx context.Context, progress io.Writer) (samples []Sample, err error) {
	for round := range p.Rounds {
		for _, c := range p.Cases {
			for _, target := range p.Targets {
				if !c.takes(target) {
					continue
				}
				s, failure := p.measure(ctx, target, c, round)
				if ctx.Err() != nil {
					return samples, context.Cause(ctx)
				}
				if failure != nil {
					err = errors.Join(err, fmt.Errorf("%s, %v SYNs/s: %w", target.Name, c, failure))
					continue
				}
				samples = append(samples, s)
				fmt.Fprintf(progress, "round %d  %-14s  %11v SYNs/s: connects %.2f, succeeded %.4f, pings %.2f\n", round+1, target.Name, c, s.connects(), s.succeeded(), s.pings())
			}
		}
	}
	return samples, err
}

// Sample is one measurement.
type Sample struct {
	Target       string
	Case         Case
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
