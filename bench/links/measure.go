//go:build linux

package links

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"minitcp/bench/load"
	"minitcp/bench/pattern"
	"minitcp/bench/subject"
	"minitcp/conn/netem"
)

// Sample is one measurement.
type Sample struct {
	Row   string  `json:"row"`
	Entry string  `json:"target"`
	Round int     `json:"round"`
	Value float64 `json:"value"` // in the row's unit
	// Goodput is of each flow, in Mbit/s, while it was measured.
	Goodput []float64 `json:"goodput"`
	// Again is the part of the segments with data, in percent, that had been sent before, and Segments the number of all.
	// They are counted on the link from the beginning to the end of the measurement. Both are 0 if the target sends only
	// acknowledgments.
	Again    float64 `json:"again"`
	Segments int64   `json:"segments"`
	// Timeouts is the number of retransmission timeouts of the target, and Spurious the number of episodes of recovery
	// that it has undone; -1 if it does not count them.
	Timeouts int64 `json:"timeouts"`
	Spurious int64 `json:"spurious"`
	// P50 and P95 are the median and the 95th percentile, in milliseconds, of the time that a ping would have taken, or
	// that a response took in rows of responses.
	P50   float64      `json:"p50"`
	P95   float64      `json:"p95"`
	Link  netem.Counts `json:"link"` // on the way of the data
	Error string       `json:"error,omitempty"`
}

// patience is the time beyond the planned one after which a measurement fails.
const patience = 30 * time.Second

// measurement is one in progress.
type measurement struct {
	row       *row
	entry     *entry
	network   *Network
	processes map[string]*subject.Process // by target
	crews     []*load.Crew                // by flow
}

// take makes one measurement in a network, and with processes, of its own.
func (r *row) take(ctx context.Context, e *entry, round int, scale func(time.Duration) time.Duration) (s Sample, err error) {
	s = Sample{Row: r.name, Entry: e.name, Round: round}
	warmup, duration := scale(r.warmup), scale(r.duration)
	ctx, cancel := context.WithTimeoutCause(ctx, warmup+duration+patience, errors.New("the measurement takes too long"))
	defer cancel()
	there, back := r.path.ways(uint64(round) + 1)
	if r.upload {
		there, back = back, there
	}
	m := &measurement{row: r, entry: e, processes: make(map[string]*subject.Process)}
	if m.network, err = NewNetwork(there, back, uint64(round)+1); err != nil {
		return s, err
	}
	if r.measure == floorRate {
		err = m.floor(ctx, &s, warmup, duration)
	} else {
		err = m.run(ctx, &s, warmup, duration)
	}
	return s, errors.Join(err, m.end())
}

// start starts the processes and connections, and waits until they are established.
func (m *measurement) start() error {
	for _, name := range m.entry.flows {
		if m.processes[name] != nil {
			continue
		}
		err := m.network.Near.Do(func() (err error) {
			m.processes[name], err = subject.Start(name, pattern.Sampled, subject.MaxReads)
			return err
		})
		if err != nil {
			return err
		}
	}
	kind := load.Download
	if m.row.upload {
		kind = load.Upload
	}
	connections := 1
	if m.row.clients > 0 {
		kind, connections = load.Fetch, m.row.clients
	}
	for _, name := range m.entry.flows {
		target, _ := subject.Find(name)
		m.crews = append(m.crews, load.Start(kind, m.network.Far, target.Address, connections, pattern.Sampled))
	}
	for _, c := range m.crews {
		if err := c.Ready(); err != nil {
			return err
		}
	}
	return nil
}

// run measures a TCP.
func (m *measurement) run(ctx context.Context, s *Sample, warmup, duration time.Duration) error {
	defer context.AfterFunc(ctx, func() { m.abort(context.Cause(ctx)) })()
	if err := m.start(); err != nil {
		return err
	}
	if err := m.wait(ctx, warmup); err != nil {
		return err
	}
	before, times := m.network.Link.Report(), m.crews[0].Times() // resets the pings
	begin, err := m.received()
	if err != nil {
		return err
	}
	start := time.Now()
	if err := m.wait(ctx, duration); err != nil {
		return err
	}
	end, err := m.received()
	if err != nil {
		return err
	}
	seconds := time.Since(start).Seconds()
	report := m.network.Link.Report()
	for i := range end {
		s.Goodput = append(s.Goodput, float64(end[i]-begin[i])*8/1e6/seconds)
	}
	s.Segments, s.P50, s.P95, s.Link = report.Segments, milliseconds(report.Ping), milliseconds(report.LatePing), report.There
	if m.row.clients > 0 {
		t := m.crews[0].Times().Since(times).Summary()
		s.P50, s.P95 = milliseconds(t.P50), milliseconds(t.P95)
	}
	if m.row.upload {
		s.Link = report.Back
	}
	if report.Segments > 0 {
		s.Again = 100 * float64(report.Again) / float64(report.Segments)
	}
	s.Value = m.row.value(s, report.Again, float64(report.CapacityThere-before.CapacityThere)*8/1e6/seconds)
	return m.recovery(s)
}

func milliseconds(d time.Duration) float64 { return d.Seconds() * 1e3 }

// value returns the row's figure. The capacity of the line is in Mbit/s.
func (r *row) value(s *Sample, again int64, capacity float64) float64 {
	var sum, squares float64
	for _, g := range s.Goodput {
		sum += g
		squares += g * g
	}
	switch {
	case r.measure == retransmitted:
		return float64(again)
	case r.measure == late:
		return s.P95
	case sum == 0:
		return 0
	case r.measure == use:
		return 100 * sum / capacity
	case r.measure == fairness:
		return sum * sum / (float64(len(s.Goodput)) * squares) // Jain, 1984
	case r.measure == share:
		return 100 * s.Goodput[0] / sum
	}
	return sum
}

// received returns the bytes that each flow has received.
func (m *measurement) received() (bytes []int64, err error) {
	if m.row.upload { // one flow
		u, err := m.processes[m.entry.flows[0]].Usage()
		return []int64{u.In}, err
	}
	for _, c := range m.crews {
		bytes = append(bytes, c.Received())
	}
	return bytes, nil
}

// recovery sets the counts of loss recovery from the target of the first flow.
func (m *measurement) recovery(s *Sample) error {
	for _, name := range slices.Compact(slices.Clone(m.entry.flows)) {
		u, err := m.processes[name].Usage()
		if err != nil {
			return err
		}
		if name == m.entry.flows[0] {
			s.Timeouts, s.Spurious = u.Timeouts, u.Spurious
			if m.row.clients > 0 {
				s.Timeouts, s.Spurious = -1, -1 // the connections are gone
			}
		}
	}
	return nil
}

// wait returns after d, or with an error when ctx ends or a crew fails.
func (m *measurement) wait(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	for _, c := range m.crews {
		if err := c.Err(); err != nil {
			return err
		}
	}
	return nil
}

func (m *measurement) abort(err error) {
	for _, c := range m.crews {
		c.Abort(err)
	}
	for _, p := range m.processes {
		if p != nil {
			p.Kill()
		}
	}
}

// end ends everything without waiting for data in flight, which takes long on a bad link.
func (m *measurement) end() error {
	over := errors.New("over")
	var errs []error
	for _, c := range m.crews {
		c.Abort(over)
		if _, err := c.Stop(); err != nil && !errors.Is(err, over) {
			errs = append(errs, err)
		}
	}
	for name, p := range m.processes {
		if p == nil {
			continue
		}
		if err := p.Stop(); err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", name, err))
		}
	}
	return errors.Join(append(errs, m.network.Close())...)
}
