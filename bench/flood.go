//go:build linux

package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/vishvananda/netlink"

	"minitcp/bench/load"
	"minitcp/bench/pattern"
	"minitcp/bench/report"
	"minitcp/bench/subject"
)

// floodCommand is the first argument for floods of SYNs.
const floodCommand = "flood"

const floodUsage = `usage: go run ./bench flood [flags]

Sends SYNs from random sources to minitcp, gVisor and the kernel, and measures honest clients beside them: connections
opened 32 at a time, and ping-pong on an established one. It also measures the target's memory. It makes and removes
network namespaces. The table goes to stdout, progress to stderr. It needs root.

`

const (
	maxFloodRate = 1_000_000
	// floodHonest is the number of connections that are opened at a time.
	floodHonest = 32
	// floodWarmup is the time before each measurement, with and without the flood.
	floodWarmup = 500 * time.Millisecond
	// floodMargin is the time beyond the planned one after which a flood ends by itself.
	floodMargin = 10 * time.Second
)

// The limits that are wanted of minitcp: of memory at every rate, of the others at floodAimed SYNs per second.
const (
	floodAimed          = 50_000
	leastFloodConnects  = 0.5
	leastFloodSucceeded = 0.99
	leastFloodPings     = 0.8
	mostFloodMemory     = 16 << 20
)

// floodOptions are the values of the flags after floodCommand.
type floodOptions struct {
	rates    []int // SYNs per second
	targets  []subject.Target
	rounds   int
	duration time.Duration
	profiles string
	markdown bool
}

// runFlood returns the exit status, as run does.
func runFlood(arguments []string, stdout, stderr io.Writer) int {
	o, err := parseFlood(arguments, stderr)
	return exitStatus(err, o.measureAll, stdout, stderr)
}

// parseFlood reads the command line. It writes errors to stderr as well.
func parseFlood(arguments []string, stderr io.Writer) (o floodOptions, err error) {
	flags := newFlags("bench flood", floodUsage, stderr)
	var rates, targets string
	flags.StringVar(&rates, "rates", "5000,20000,50000,200000", fmt.Sprintf("comma-separated numbers of SYNs per `second`, 1 to %d each", maxFloodRate))
	flags.StringVar(&targets, "targets", "", "comma-separated `names`, by default "+strings.Join(floodTargets, ","))
	flags.IntVar(&o.rounds, "rounds", 3, fmt.Sprintf("number of measurements of each, 1 to %d", maxRounds))
	flags.DurationVar(&o.duration, "duration", 3*time.Second, fmt.Sprintf("time of each measurement without and with the flood, %v to %v", minDuration, maxDuration))
	flags.StringVar(&o.profiles, "profiles", "", "existing `directory` for CPU profiles of the targets under the flood")
	flags.BoolVar(&o.markdown, "markdown", false, "put the table into "+readme+" as well")
	err = parseFlags(flags, arguments, func() error { return o.check(rates, targets) })
	return o, err
}

var floodTargets = []string{ours, report.Shipped, report.Best, report.Kernel}

func (o *floodOptions) check(rates, targets string) error {
	if err := cmp.Or(within("rounds", o.rounds, 1, maxRounds), within("duration", o.duration, minDuration, maxDuration)); err != nil {
		return err
	}
	for text := range strings.SplitSeq(rates, ",") {
		rate, err := strconv.Atoi(text)
		if err != nil || rate < 1 || rate > maxFloodRate {
			return fmt.Errorf("-rates: %q is not a number within 1 and %d", text, maxFloodRate)
		}
		o.rates = append(o.rates, rate)
	}
	names, err := choose("target", targets, floodTargets)
	for _, name := range names {
		t, _ := subject.Find(name)
		o.targets = append(o.targets, t)
	}
	return err
}

func (o *floodOptions) measureAll(stdout, stderr io.Writer) error {
	if err := needRoot(); err != nil {
		return err
	}
	if o.markdown {
		if err := fillReadme(floodName, nil); err != nil { // an error is better now than later
			return err
		}
	}
	ctx, release := untilSignal()
	defer release()
	e := findEnvironment()
	if f := stayAwake(); f != nil {
		defer f.Close()
		e.Awake = true
	}
	samples, err := o.run(ctx, stderr)
	if len(samples) == 0 {
		return err
	}
	t := o.table(samples)
	how := fmt.Sprintf("%d rounds, %v without and %v with each flood; the kernel's tcp_syncookies is %s", o.rounds, o.duration, o.duration, samples[0].Cookies)
	fmt.Fprintf(stdout, "%s\n%s\n\n", e, how)
	if err := errors.Join(err, t.WriteText(stdout)); err != nil || !o.markdown {
		return err
	}
	return fillTable(floodName, e, how, t)
}

// run measures each target in turn in each round. The error joins those of the measurements that failed.
func (o *floodOptions) run(ctx context.Context, progress io.Writer) (samples []floodSample, err error) {
	for round := range o.rounds {
		for _, rate := range o.rates {
			for _, target := range o.targets {
				s, failure := o.measure(ctx, target, rate, round)
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

// floodSample is one measurement.
type floodSample struct {
	Target       string
	Rate         int       // SYNs per second that were wanted
	Sent         int64     // SYNs in all
	Quiet, Under floodPace // without and with the flood
	// Succeeded and Failed are the numbers of honest connections that ended after the warm-up of the flood.
	Succeeded, Failed int64
	Growth            int64  // bytes of resident memory
	Cookies           string // tcp_syncookies of the target's namespace
}

// floodPace has numbers per second.
type floodPace struct{ Connects, Pings, SYNs float64 }

func (s *floodSample) connects() float64 { return report.Ratio(s.Under.Connects, s.Quiet.Connects) }
func (s *floodSample) pings() float64    { return report.Ratio(s.Under.Pings, s.Quiet.Pings) }
func (s *floodSample) succeeded() float64 {
	return report.Ratio(float64(s.Succeeded), float64(s.Succeeded+s.Failed))
}

// flooding is a measurement in progress.
type flooding struct {
	*floodOptions
	network      *site
	process      *subject.Process
	honest, ping *load.Crew
	flood        *load.Flood // nil before it starts
}

// measure makes one measurement in a network, and with a process, of its own.
func (o *floodOptions) measure(ctx context.Context, target subject.Target, rate, round int) (s floodSample, err error) {
	ctx, cancel := context.WithTimeoutCause(ctx, 2*(floodWarmup+o.duration)+load.TryTime+patience, errors.New("the measurement takes too long"))
	defer cancel()
	network, err := newSite(target)
	if err != nil {
		return s, err
	}
	defer func() { err = errors.Join(err, network.close()) }()
	m := &flooding{floodOptions: o, network: network}
	s = floodSample{Target: target.Name, Rate: rate}
	err = network.server.Do(func() (err error) {
		if s.Cookies, err = synCookies(); err == nil && target.Veth {
			err = routeFlood()
		}
		if err == nil {
			m.process, err = subject.Start(target.Argument(), pattern.Sampled, subject.MaxReads)
		}
		return err
	})
	if err != nil {
		return s, err
	}
	defer func() { err = errors.Join(err, m.process.Stop()) }()
	defer context.AfterFunc(ctx, m.process.Kill)() // it may not reply
	profile := ""
	if o.profiles != "" {
		profile = filepath.Join(o.profiles, fmt.Sprintf("flood-%s-%d-%d", target.Name, rate, round+1))
	}
	err = m.run(ctx, &s, profile)
	return s, err
}

// synCookies returns the value of the kernel's tcp_syncookies in this namespace.
func synCookies() (string, error) {
	text, err := os.ReadFile("/proc/sys/net/ipv4/tcp_syncookies")
	return strings.TrimSpace(string(text)), err
}

// routeFlood routes the SYN-ACKs of the kernel to the client.
func routeFlood() error {
	sources := &net.IPNet{IP: load.FloodSources.Addr().AsSlice(), Mask: net.CIDRMask(load.FloodSources.Bits(), 32)}
	return netlink.RouteAdd(&netlink.Route{Dst: sources, Gw: subject.ClientAddress.Addr().AsSlice()})
}

// run runs the honest clients, and then the flood beside them. A profile with that name covers the flood.
func (m *flooding) run(ctx context.Context, s *floodSample, profile string) (err error) {
	start := func(kind load.Kind, connections int) *load.Crew {
		return load.Start(kind, m.network.client, m.network.address, connections, pattern.Sampled)
	}
	m.ping, m.honest = start(load.PingPong, 1), start(load.Try, floodHonest)
	crews := []*load.Crew{m.ping, m.honest}
	defer context.AfterFunc(ctx, func() { m.ping.Abort(context.Cause(ctx)); m.honest.Abort(context.Cause(ctx)) })()
	defer func() {
		for _, crew := range crews {
			if err != nil {
				crew.Abort(err)
			}
			crew.Stop()
		}
	}()
	if err := errors.Join(m.ping.Ready(), m.honest.Ready(), m.wait(ctx, floodWarmup)); err != nil {
		return err
	}
	if s.Quiet, err = m.pace(ctx); err != nil {
		return err
	}
	if profile != "" {
		if err := m.process.StartProfile(profile + ".cpu.pprof"); err != nil {
			return err
		}
	}
	before, err := m.process.Resident()
	if err != nil {
		return err
	}
	m.flood = load.StartFlood(m.network.client, m.network.address, s.Rate, floodWarmup+m.duration+load.TryTime+floodMargin)
	err = m.under(ctx, s, before)
	if floodErr := m.flood.Stop(); err == nil {
		err = floodErr
	}
	s.Sent = m.flood.Sent()
	if err == nil && profile != "" {
		err = m.process.StopProfile(profile + ".allocs.pprof")
	}
	if err != nil {
		return err
	}
	if _, err := m.ping.Stop(); err != nil {
		return err
	}
	return m.verify()
}

// under measures while the flood lasts, and waits for the honest connections that are open.
func (m *flooding) under(ctx context.Context, s *floodSample, before int64) (err error) {
	if err := m.wait(ctx, floodWarmup); err != nil {
		return err
	}
	succeeded, failed := m.honest.Transactions(), m.honest.Failed()
	if s.Under, err = m.pace(ctx); err != nil {
		return err
	}
	after, err := m.process.Resident()
	s.Growth = max(0, after-before)
	_, crewErr := m.honest.Stop()
	s.Succeeded, s.Failed = m.honest.Transactions()-succeeded, m.honest.Failed()-failed
	return errors.Join(err, crewErr)
}

// pace measures for the duration.
func (m *flooding) pace(ctx context.Context) (p floodPace, err error) {
	count := func() (c floodPace) {
		c.Connects, c.Pings = float64(m.honest.Transactions()), float64(m.ping.Transactions())
		if m.flood != nil {
			c.SYNs = float64(m.flood.Sent())
		}
		return c
	}
	begin, first := time.Now(), count()
	if err := m.wait(ctx, m.duration); err != nil {
		return p, err
	}
	took, last := time.Since(begin).Seconds(), count()
	return floodPace{(last.Connects - first.Connects) / took, (last.Pings - first.Pings) / took, (last.SYNs - first.SYNs) / took}, nil
}

// wait returns after d, or with an error as soon as the context or a crew ends.
func (m *flooding) wait(ctx context.Context, d time.Duration) error {
	select {
	case <-m.ping.Ended():
		return errors.Join(m.ping.Err(), errors.New("the ping-pong ended too early"))
	default:
		return wait(ctx, d, m.honest)
	}
}

// verify compares the counts of both ends. Handshakes of the flood fail, which gVisor's forwarder reports as a failure.
func (m *flooding) verify() error {
	u, err := m.process.Usage()
	if u.Time == 0 {
		return err
	}
	if served := m.honest.Transactions() + 1; u.Accepted < served {
		return fmt.Errorf("the target has accepted %d connections, the client counts %d", u.Accepted, served)
	}
	return nil
}

// table has a line for each target and rate, with medians.
func (o *floodOptions) table(samples []floodSample) *report.Table {
	t := &report.Table{Words: []int{1, 11}}
	t.Lines = append(t.Lines, []string{"SYNs/s", "target", "sent/s", "connects/s", "flooded", "ratio", "succeeded", "pings/s", "flooded", "ratio", "memory", "wanted"})
	for _, rate := range o.rates {
		for _, target := range o.targets {
			own := slices.DeleteFunc(slices.Clone(samples), func(s floodSample) bool { return s.Rate != rate || s.Target != target.Name })
			if len(own) == 0 {
				t.Lines = append(t.Lines, append([]string{fmt.Sprint(rate), target.Name, "failed"}, make([]string, len(t.Lines[0])-3)...))
				continue
			}
			t.Lines = append(t.Lines, floodCells(rate, target, own))
		}
	}
	return t
}

// floodCells returns the medians of the samples of a target at a rate.
func floodCells(rate int, target subject.Target, samples []floodSample) []string {
	median := func(of func(*floodSample) float64) float64 {
		var values []float64
		for i := range samples {
			values = append(values, of(&samples[i]))
		}
		return report.Summarize(values).Median
	}
	digits := func(of func(*floodSample) float64) string { return report.Digits(median(of)) }
	ratio := func(v float64) string { return fmt.Sprintf("%.2f", v) }
	connects, succeeded, pings := median((*floodSample).connects), median((*floodSample).succeeded), median((*floodSample).pings)
	growth := median(func(s *floodSample) float64 { return float64(s.Growth) })
	memory := report.Digits(growth/(1<<20)) + " MiB"
	if target.Veth {
		memory = nothing // that of its namespace is in the kernel
	}
	var wanted []string
	want := func(a report.Aim) {
		wanted = append(wanted, a.String())
	}
	if target.Name == ours {
		if rate == floodAimed {
			want(report.Aim{Name: "connects", Value: connects, Limit: leastFloodConnects, Least: true})
			want(report.Aim{Name: "succeeded", Value: succeeded, Limit: leastFloodSucceeded, Least: true})
			want(report.Aim{Name: "pings", Value: pings, Limit: leastFloodPings, Least: true})
		}
		want(report.Aim{Name: "MiB", Value: growth / (1 << 20), Limit: mostFloodMemory >> 20})
	}
	return []string{
		fmt.Sprint(rate), target.Name, digits(func(s *floodSample) float64 { return s.Under.SYNs }),
		digits(func(s *floodSample) float64 { return s.Quiet.Connects }), digits(func(s *floodSample) float64 { return s.Under.Connects }),
		ratio(connects), fmt.Sprintf("%.2f %%", 100*succeeded),
		digits(func(s *floodSample) float64 { return s.Quiet.Pings }), digits(func(s *floodSample) float64 { return s.Under.Pings }),
		ratio(pings), memory, strings.Join(wanted, ", "),
	}
}
