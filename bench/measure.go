//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	"minitcp/bench/fairness"
	"minitcp/bench/load"
	"minitcp/bench/report"
	"minitcp/bench/site"
	"minitcp/bench/subject"
)

// patience is the time beyond the planned one after which a measurement fails.
const patience = time.Minute

// measure makes one measurement in a network, and with a process, of its own.
func (p *plan) measure(ctx context.Context, w *workload, target subject.Target, round int) ([]report.Sample, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, 2*w.warmup(p.warmup)+p.duration+p.rest+w.wakeups+patience, errors.New("the measurement takes too long"))
	defer cancel()
	network, err := site.New(target)
	if err != nil {
		return nil, err
	}
	m := &measurement{plan: p, workload: w, target: target.Name, round: round, network: network}
	var samples []report.Sample
	if err = m.start(target); err == nil && w.starts != 0 {
		samples, err = m.started()
	} else if err == nil {
		samples, err = m.run(ctx)
	}
	for _, process := range m.processes() {
		if stopErr := process.Stop(); err == nil {
			err = stopErr
		}
	}
	if closeErr := network.Close(); err == nil {
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
	process *subject.Process // under test
	server  *subject.Process // serves; the same one unless the target is between it and the client
	network *site.Site
	crew    *load.Crew
	bulk    *load.Crew       // beside crew; nil for none
	idle    *load.Bystanders // likewise
}

// start starts the processes.
func (m *measurement) start(target subject.Target) error {
	serving := target.Argument()
	if target.Role != subject.RoleServer {
		serving = "kernel-" + subject.CongestionControl
	}
	err := m.network.Server.Do(func() (err error) { m.server, err = subject.Start(serving, m.care, m.reads); return err })
	if m.process = m.server; err != nil || target.Role != subject.RoleForwarder {
		return err
	}
	m.process, err = m.network.StartForwarder(func(client *os.File) (*subject.Process, error) {
		return subject.Start(target.ArgumentWith(m.mtu), m.care, m.reads, client)
	})
	return err
}

// processes returns those that have been started.
func (m *measurement) processes() (all []*subject.Process) {
	for _, p := range []*subject.Process{m.process, m.server} {
		if p != nil && !slices.Contains(all, p) {
			all = append(all, p)
		}
	}
	return all
}

func (m *measurement) run(ctx context.Context) (samples []report.Sample, err error) {
	var before subject.Memory
	if m.rests() {
		if before, err = m.process.Memory(); err != nil {
			return nil, err
		}
	}
	connections := m.workload.connections
	if connections == 0 {
		connections = m.plan.connections
	}
	if m.workload.idle > 0 {
		m.idle, err = load.StartBystanders(ctx, m.network.Client, m.network.Address, m.workload.idle)
		if err != nil {
			return nil, m.blame(err)
		}
		defer m.idle.Stop() // again, if it was not stopped below
	}
	for _, process := range m.processes() {
		defer context.AfterFunc(ctx, process.Kill)() // it may not reply
	}
	if m.bulkFlows > 0 {
		if err := m.startBulk(ctx); err != nil {
			return nil, m.blame(err)
		}
	}
	m.crew = load.Start(m.kind, m.network.Client, m.network.Address, connections, m.care)
	defer context.AfterFunc(ctx, func() { m.crew.Abort(context.Cause(ctx)) })()
	if samples, err = m.sample(ctx, before, connections); err != nil {
		m.crew.Abort(err)
	}
	total, err := m.stop()
	if err != nil {
		return nil, m.blame(err)
	}
	end, err := m.server.Usage()
	if err == nil && m.process != m.server {
		_, err = m.process.Usage()
	}
	if err != nil {
		return nil, err
	}
	return samples, m.verify(total, end)
}

// sample waits until the connections are ready, and measures.
func (m *measurement) sample(ctx context.Context, before subject.Memory, connections int) ([]report.Sample, error) {
	if err := m.crew.Ready(); err != nil {
		return nil, err
	}
	switch {
	case m.wakeups > 0:
		return m.countWakeups(ctx)
	case m.rests():
		return m.memory(ctx, before, connections)
	}
	return m.speed(ctx)
}

// stop stops all connections and returns their totals.
func (m *measurement) stop() (load.Total, error) {
	total, err := m.crew.Stop()
	if m.bulk != nil {
		more, bulkErr := m.bulk.Stop()
		total, err = total.Add(more), errors.Join(err, bulkErr)
	}
	if m.idle != nil {
		more, idleErr := m.idle.Stop()
		total, err = total.Add(more), errors.Join(err, idleErr)
	}
	return total, err
}

// startBulk starts the bulk connections beside the others, and lets them reach their speed.
func (m *measurement) startBulk(ctx context.Context) error {
	m.bulk = load.Start(m.workload.bulk, m.network.Client, m.network.Address, m.bulkFlows, m.care)
	context.AfterFunc(ctx, func() { m.bulk.Abort(context.Cause(ctx)) })
	err := m.bulk.Ready()
	if err == nil {
		err = m.bulk.Wait(ctx, m.workload.warmup(m.plan.warmup))
	}
	if err != nil {
		m.bulk.Abort(err)
		m.bulk.Stop()
	}
	return err
}

// blame adds the failure of the target, if there is one, to an error of the client.
func (m *measurement) blame(err error) error {
	for _, process := range m.processes() {
		if _, targetErr := process.Usage(); targetErr != nil && targetErr.Error() != err.Error() {
			err = fmt.Errorf("%w; %w", err, targetErr)
		}
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
	if err := m.server.Watch(); err != nil {
		return none, err
	}
	return func() (*report.Fairness, error) {
		r, err := m.server.Watched()
		return result(r), err
	}, nil
}

// profile returns the name of the file for a profile of this measurement.
func (m *measurement) profile(kind string) string {
	return filepath.Join(m.profiles, fmt.Sprintf("%s-%s-%d.%s.pprof", m.target, m.name, m.round, kind))
}

func (m *measurement) wait(ctx context.Context, d time.Duration) error { return m.crew.Wait(ctx, d) }

func (m *measurement) point() (p point, err error) {
	p.server, err = m.server.Usage()
	if p.subject = p.server; err == nil && m.process != m.server {
		p.subject, err = m.process.Usage()
	}
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
	if err == nil && m.profiles != "" {
		err = m.process.StopProfile(m.profile("allocs"))
	}
	if err != nil {
		return nil, err
	}
	each := func(a, b int64) float64 { return max(0, float64(b-a)) / float64(connections) }
	values := []float64{each(before.RSS, after.RSS), each(before.Heap, after.Heap)}
	switch {
	case m.program:
		values = []float64{values[0] / 1000}
	case m.forwards:
		values = []float64{values[0], each(before.Live, after.Live), each(before.Stacks, after.Stacks)}
	}
	var samples []report.Sample
	for i, row := range m.rows() {
		samples = append(samples, report.Sample{Workload: row.Name, Target: m.target, Round: m.round, Value: values[i]})
	}
	return samples, nil
}

// countWakeups counts how often the process wakes up while the connections are idle.
func (m *measurement) countWakeups(ctx context.Context) ([]report.Sample, error) {
	if err := m.wait(ctx, m.rest); err != nil {
		return nil, err
	}
	before, err := m.process.Wakeups()
	if err != nil {
		return nil, err
	}
	if err := m.wait(ctx, m.wakeups); err != nil {
		return nil, err
	}
	after, err := m.process.Wakeups()
	return []report.Sample{{Workload: m.name, Target: m.target, Round: m.round, Value: float64(after - before)}}, err
}

// started measures the start of the program.
func (m *measurement) started() ([]report.Sample, error) {
	sample := func(workload string, value float64) report.Sample {
		return report.Sample{Workload: workload, Target: m.target, Round: m.round, Value: value}
	}
	ms := func(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }
	if m.starts == commandStart {
		took, err := m.process.RunTrue()
		return []report.Sample{sample(m.name, ms(took))}, err
	}
	resident, err := m.process.Resident()
	return []report.Sample{sample(m.name, ms(m.process.Ready)), sample(residentName, float64(resident)/1e6)}, err
}
