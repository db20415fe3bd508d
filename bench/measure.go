//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"time"

	"minitcp/bench/fairness"
	"minitcp/bench/load"
	"minitcp/bench/report"
	"minitcp/bench/subject"
)

// patience is the time beyond the planned one after which a measurement fails.
const patience = time.Minute

// measure makes one measurement in a network, and with a process, of its own.
func (p *plan) measure(ctx context.Context, w *workload, target subject.Target, round int) ([]report.Sample, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, 2*w.warmup(p.warmup)+p.duration+p.rest+patience, errors.New("the measurement takes too long"))
	defer cancel()
	network, err := newSite(target.Veth)
	if err != nil {
		return nil, err
	}
	var process *subject.Process
	err = network.server.Do(func() (err error) { process, err = subject.Start(target.Name, p.care, p.reads); return err })
	if err != nil {
		return nil, errors.Join(err, network.close())
	}
	m := &measurement{plan: p, workload: w, target: target.Name, round: round, process: process, network: network}
	samples, err := m.run(ctx)
	if stopErr := process.Stop(); err == nil {
		err = stopErr
	}
	if closeErr := network.close(); err == nil {
		err = closeErr
	}
	return samples, err
}

// measurement is one in progress.
type measurement struct {
	*plan
	*workload
	target  string
	round   int
	process *subject.Process
	network *site
	crew    *load.Crew
	bulk    *load.Crew       // beside crew; nil for none
	idle    *load.Bystanders // likewise
}

func (m *measurement) run(ctx context.Context) (samples []report.Sample, err error) {
	var before subject.Memory
	if m.kind == load.Idle {
		if before, err = m.process.Memory(); err != nil {
			return nil, err
		}
	}
	connections := m.workload.connections
	if connections == 0 {
		connections = m.plan.connections
	}
	if m.workload.idle > 0 {
		m.idle, err = load.StartBystanders(ctx, m.network.client, subject.ServerAddress.Addr(), m.workload.idle)
		if err != nil {
			return nil, m.blame(err)
		}
		defer m.idle.Stop() // again, if it was not stopped below
	}
	defer context.AfterFunc(ctx, func() { m.process.Kill() })() // it may not reply
	if m.bulkFlows > 0 {
		if err := m.startBulk(ctx); err != nil {
			return nil, m.blame(err)
		}
	}
	m.crew = load.Start(m.kind, m.network.client, subject.ServerAddress.Addr(), connections, m.care)
	defer context.AfterFunc(ctx, func() { m.crew.Abort(context.Cause(ctx)) })()
	err = m.crew.Ready()
	if err == nil {
		if m.kind == load.Idle {
			samples, err = m.memory(ctx, before, connections)
		} else {
			samples, err = m.speed(ctx)
		}
	}
	if err != nil {
		m.crew.Abort(err)
	}
	total, crewErr := m.crew.Stop()
	if m.bulk != nil {
		more, bulkErr := m.bulk.Stop()
		total, crewErr = total.Add(more), errors.Join(crewErr, bulkErr)
	}
	if m.idle != nil {
		more, idleErr := m.idle.Stop()
		total, crewErr = total.Add(more), errors.Join(crewErr, idleErr)
	}
	if crewErr != nil {
		return nil, m.blame(crewErr)
	}
	end, err := m.process.Usage()
	if err != nil {
		return nil, err
	}
	return samples, m.verify(total, end)
}

// startBulk starts the bulk connections beside the others, and lets them reach their speed.
func (m *measurement) startBulk(ctx context.Context) error {
	m.bulk = load.Start(m.workload.bulk, m.network.client, subject.ServerAddress.Addr(), m.bulkFlows, m.care)
	context.AfterFunc(ctx, func() { m.bulk.Abort(context.Cause(ctx)) })
	err := m.bulk.Ready()
	if err == nil {
		err = wait(ctx, m.workload.warmup(m.plan.warmup), m.bulk)
	}
	if err != nil {
		m.bulk.Abort(err)
		m.bulk.Stop()
	}
	return err
}

// blame adds the failure of the target, if there is one, to an error of the client.
func (m *measurement) blame(err error) error {
	if _, targetErr := m.process.Usage(); targetErr != nil && targetErr.Error() != err.Error() {
		return fmt.Errorf("%w; %w", err, targetErr)
	}
	return err
}

// speed measures for the duration of the plan, after the warm-up.
func (m *measurement) speed(ctx context.Context) ([]report.Sample, error) {
	if err := m.wait(ctx, m.workload.warmup(m.plan.warmup)); err != nil {
		return nil, err
	}
	if m.profiles != "" {
		if err := m.process.StartProfile(m.profile("cpu")); err != nil {
			return nil, err
		}
	}
	shares, err := m.watch()
	if err != nil {
		return nil, err
	}
	begin, err := m.point()
	if err != nil {
		return nil, err
	}
	s := report.Sample{Workload: m.name, Target: m.target, Round: m.round}
	for ok := false; !ok; { // again if no work was done, until the client gives up
		if err := m.wait(ctx, m.duration); err != nil {
			return nil, err
		}
		end, err := m.point()
		if err != nil {
			return nil, err
		}
		s.Value, s.CPU, s.BothCPU, ok = m.value(&begin, &end)
		s.Latency = m.latency(&begin, &end)
	}
	if s.Fairness, err = shares(); err != nil {
		return nil, err
	}
	if m.profiles != "" {
		if err := m.process.StopProfile(m.profile("allocs")); err != nil {
			return nil, err
		}
	}
	return []report.Sample{s}, nil
}

// watch begins to observe how several bulk connections share what their receivers read. The function that it returns
// ends the observation; it returns nil if there is nothing to observe.
func (m *measurement) watch() (end func() (*report.Fairness, error), err error) {
	none := func() (*report.Fairness, error) { return nil, nil }
	if !m.isBulk() || m.workload.connections < 2 {
		return none, nil
	}
	result := func(r fairness.Result) *report.Fairness {
		if r.Flows == 0 {
			return nil
		}
		return &report.Fairness{Jain: r.Jain, Pause: us(r.Pause)}
	}
	if m.kind == load.Download {
		w := m.crew.Watch()
		return func() (*report.Fairness, error) { return result(w.Stop()), nil }, nil
	}
	if err := m.process.Watch(); err != nil {
		return none, err
	}
	return func() (*report.Fairness, error) {
		r, err := m.process.Watched()
		return result(r), err
	}, nil
}

// profile returns the name of the file for a profile of this measurement.
func (m *measurement) profile(kind string) string {
	return filepath.Join(m.profiles, fmt.Sprintf("%s-%s-%d.%s.pprof", m.target, m.name, m.round, kind))
}

func (m *measurement) wait(ctx context.Context, d time.Duration) error { return wait(ctx, d, m.crew) }

// wait returns after d, or with an error as soon as the context or the crew ends.
func wait(ctx context.Context, d time.Duration, crew *load.Crew) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-crew.Ended():
		if err := crew.Err(); err != nil {
			return err
		}
		return errors.New("the client ended too early")
	}
}

func (m *measurement) point() (p point, err error) {
	p.subject, err = m.process.Usage()
	p.time, p.clientCPU = time.Now(), subject.CPUTime()
	p.received, p.transactions, p.times = m.crew.Received(), m.crew.Transactions(), m.crew.Times()
	p.firsts = m.crew.Firsts()
	return p, err
}

// memory measures the growth of the process per connection, after the connections have been idle for a while.
func (m *measurement) memory(ctx context.Context, before subject.Memory, connections int) ([]report.Sample, error) {
	if err := m.wait(ctx, m.rest); err != nil {
		return nil, err
	}
	after, err := m.process.Memory()
	if err != nil {
		return nil, err
	}
	each := func(a, b int64) float64 { return max(0, float64(b-a)) / float64(connections) }
	return []report.Sample{
		{Workload: idleName, Target: m.target, Round: m.round, Value: each(before.RSS, after.RSS)},
		{Workload: idleHeapName, Target: m.target, Round: m.round, Value: each(before.Heap, after.Heap)},
	}, nil
}
