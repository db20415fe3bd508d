//go:build linux

package greedy

import (
	"context"
	"errors"
	"fmt"
	"io"
	"runtime"
	"time"

	"minitcp/bench/load"
	"minitcp/bench/report"
	"minitcp/bench/subject"
)

// Peers are the greedy peers of a measurement.
type Peers struct {
	Name    string
	Summary string
	Count   int  // by default
	kernel  bool // the peers are sockets of the kernel that read nothing, in place of a [load.Mob]
	greed   load.Greed
	port    uint16
	honest  load.Kind
}

// All are the peers in the order of the table. The honest client's transfer has the direction that suffers.
var All = []Peers{
	{Name: "readers", Count: 6000, kernel: true, honest: load.Download,
		Summary: "the kernel's sockets, which request data and read nothing"},
	{Name: "windows", Count: 100_000, greed: load.ZeroWindow, port: subject.PortGreet, honest: load.Download,
		Summary: "peers that keep their window at zero while 4 KiB wait for them"},
	{Name: "hoarders", Count: 10_000, greed: load.Hoard, port: subject.PortKeep, honest: load.Upload,
		Summary: "peers that send 1100 bytes in five places, each beyond a gap"},
	{Name: "ahead", Count: 100_000, greed: load.Ahead, port: subject.PortKeep, honest: load.Upload,
		Summary: "peers that send one byte 50,000 bytes ahead"},
	{Name: "unread", Count: 6000, greed: load.Unread, port: subject.PortKeep, honest: load.Upload,
		Summary: "peers that send as much as the window permits to an application that reads nothing"},
	{Name: "time-wait", Count: 1_000_000, greed: load.Close, port: subject.PortEnd, honest: load.Download,
		Summary: "connections that the server closes, which stay in TIME-WAIT"},
}

// Names returns the names of all peers.
func Names() (names []string) {
	for _, p := range All {
		names = append(names, p.Name)
	}
	return names
}

// The targets: the stack with the budget of the plan, and gVisor with buffers as large as ours may grow.
const (
	Ours  = report.Ours
	Other = "gvisor-cubic"
)

// Targets are the names of all targets.
var Targets = []string{Ours, Other}

// Plan is a choice of peers and targets, and how they are measured.
type Plan struct {
	Peers    []Peers
	Targets  []string
	Memory   int // budget of ours in MiB
	Most     int // resident memory in MiB at which no more peers come
	Duration time.Duration
	// Scale is the factor for the number of peers.
	Scale float64
}

// Sample is one measurement.
type Sample struct {
	Peers     string  `json:"peers"`
	Target    string  `json:"target"`
	Wanted    int     `json:"wanted"` // number of peers
	Opened    int64   `json:"opened"` // connections of theirs
	Reset     int64   `json:"reset"`  // RSTs that they received
	Alone     float64 `json:"alone"`  // goodput of the honest transfer in Mbit/s
	Beside    float64 `json:"beside"`
	Growth    int64   `json:"growth"`    // of resident memory in bytes, at most
	Collected int64   `json:"collected"` // the same after a garbage collection at the end
	Counted   int64   `json:"counted"`   // bytes in the target's own budget at the end
}

func (s *Sample) ratio() float64 { return report.Ratio(s.Beside, s.Alone) }

// Run measures each target beside each kind of peers. The error joins those of the measurements that failed.
func (p *Plan) Run(ctx context.Context, progress io.Writer) (samples []Sample, err error) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(32)) // the link's threads need a P as soon as they run
	for _, peers := range p.Peers {
		for _, target := range p.Targets {
			s, failure := p.measure(ctx, &peers, target)
			if ctx.Err() != nil {
				return samples, context.Cause(ctx)
			}
			if failure != nil {
				err = errors.Join(err, fmt.Errorf("%s beside %s: %w", target, peers.Name, failure))
				continue
			}
			samples = append(samples, s)
			fmt.Fprintf(progress, "%-12s  beside %6d %-9s  %.1f of %.1f Mbit/s, %d MiB, after a collection %d MiB, counted %d MiB, %d RSTs\n",
				target, s.Opened, peers.Name, s.Beside, s.Alone, s.Growth>>20, s.Collected>>20, s.Counted>>20, s.Reset)
		}
	}
	return samples, err
}
