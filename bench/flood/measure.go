//go:build linux

package flood

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/vishvananda/netlink"

	"minitcp/bench/load"
	"minitcp/bench/pattern"
	"minitcp/bench/site"
	"minitcp/bench/subject"
)

const (
	// attempts is the number of honest connections that are opened at a time.
	attempts = 32
	// warmup is the time before each measurement, with and without the flood.
	warmup = 500 * time.Millisecond
	// margin is the time beyond the planned one after which a flood ends by itself.
	margin = 10 * time.Second
	// patience is the time beyond the planned one after which a measurement fails.
	patience = time.Minute
)

// measurement is a measurement in progress.
type measurement struct {
	*Plan
	network      *site.Site
	client       subject.Place // of the honest clients
	process      *subject.Process
	honest, ping *load.Crew
	flood        *load.Flood // nil before it starts
}

// measure makes one measurement in a network, and with a process, of its own.
func (p *Plan) measure(ctx context.Context, target subject.Target, c Case, round int) (s Sample, err error) {
	ctx, cancel := context.WithTimeoutCause(ctx, 2*(warmup+p.Duration)+load.TryTime+patience, errors.New("the measurement takes too long"))
	defer cancel()
	network, err := site.New(target)
	if err != nil {
		return s, err
	}
	defer func() { err = errors.Join(err, network.Close()) }()
	m := &measurement{Plan: p, network: network, client: network.Client}
	s = Sample{Target: target.Name, Case: c}
	if c.RTT > 0 {
		far, err := newFar(network, c.RTT)
		if err != nil {
			return s, err
		}
		defer func() { err = errors.Join(err, far.close()) }()
		m.client = far.namespace
	}
	err = network.Server.Do(func() (err error) {
		if s.Cookies, err = synCookies(); err == nil && target.Veth {
			err = routeBack()
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
	if p.Profiles != "" {
		profile = filepath.Join(p.Profiles, fmt.Sprintf("flood-%s-%v-%d", target.Name, c, round+1))
	}
	return s, m.run(ctx, &s, profile)
}

// synCookies returns the value of the kernel's tcp_syncookies in this namespace.
func synCookies() (string, error) {
	text, err := os.ReadFile("/proc/sys/net/ipv4/tcp_syncookies")
	return strings.TrimSpace(string(text)), err
}

// routeBack routes the segments of the kernel to the flood, and to clients behind a link, to the nearby namespace.
func routeBack() error {
	return netlink.RouteAdd(&netlink.Route{Gw: subject.ClientAddress.Addr().AsSlice()})
}

// run runs the honest clients, and then the flood beside them. A profile with that name covers the flood.
func (m *measurement) run(ctx context.Context, s *Sample, profile string) (err error) {
	start := func(kind load.Kind, connections int) *load.Crew {
		return load.Start(kind, m.client, m.network.Address, connections, pattern.Sampled)
	}
	m.ping, m.honest = start(load.PingPong, 1), start(load.Try, attempts)
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
	if err := errors.Join(m.ping.Ready(), m.honest.Ready(), m.wait(ctx, warmup)); err != nil {
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
	m.flood = load.StartFlood(m.network.Client, m.network.Address, s.Case.Rate, warmup+m.Duration+load.TryTime+margin)
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
func (m *measurement) under(ctx context.Context, s *Sample, before int64) (err error) {
	if err := m.wait(ctx, warmup); err != nil {
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
func (m *measurement) pace(ctx context.Context) (p Pace, err error) {
	count := func() (c Pace) {
		c.Connects, c.Pings = float64(m.honest.Transactions()), float64(m.ping.Transactions())
		if m.flood != nil {
			c.SYNs = float64(m.flood.Sent())
		}
		return c
	}
	begin, first := time.Now(), count()
	if err := m.wait(ctx, m.Duration); err != nil {
		return p, err
	}
	took, last := time.Since(begin).Seconds(), count()
	return Pace{(last.Connects - first.Connects) / took, (last.Pings - first.Pings) / took, (last.SYNs - first.SYNs) / took}, nil
}

// wait returns after d, or with an error if the ping-pong has ended, or as soon as the context or the others end.
func (m *measurement) wait(ctx context.Context, d time.Duration) error {
	select {
	case <-m.ping.Ended():
		return errors.Join(m.ping.Err(), errors.New("the ping-pong ended too early"))
	default:
		return m.honest.Wait(ctx, d)
	}
}

// verify compares the counts of both ends. Handshakes of the flood fail, which gVisor's forwarder reports as a failure.
func (m *measurement) verify() error {
	u, err := m.process.Usage()
	if u.Time == 0 {
		return err
	}
	if served := m.honest.Transactions() + 1; u.Accepted < served {
		return fmt.Errorf("the target has accepted %d connections, the client counts %d", u.Accepted, served)
	}
	return nil
}
