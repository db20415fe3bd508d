//go:build linux

package greedy

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"sync/atomic"
	"time"

	"minitcp/bench/links"
	"minitcp/bench/load"
	"minitcp/bench/pattern"
	"minitcp/bench/subject"
	"minitcp/conn/netem"
)

const (
	// roundTrip and rate are those of the honest client's link.
	roundTrip = 40 * time.Millisecond
	rate      = 100_000_000 // bits per second
	// warmup is the time that the honest transfer has to reach its rate, or a few durations of the measurement if that is
	// less.
	warmup = 2 * time.Second
	// standstill is the time for which a transfer without progress is measured, if it is longer than planned.
	standstill = 10 * time.Second
	// patience is the time that the peers have to open their connections, and that beyond the planned one after which a
	// measurement fails.
	patience = 3 * time.Minute
	// interval is that at which the resident memory is looked at.
	interval = 50 * time.Millisecond
)

// measurement is a measurement in progress.
type measurement struct {
	*Plan
	peers   *Peers
	server  netip.Addr
	network *links.Network
	process *subject.Process
}

// measure makes one measurement in a network, and with a process, of its own.
func (p *Plan) measure(ctx context.Context, peers *Peers, name string) (s Sample, err error) {
	ctx, cancel := context.WithTimeoutCause(ctx, 2*(warmup+p.Duration)+2*patience, errors.New("the measurement takes too long"))
	defer cancel()
	target := subject.Budget(p.Memory)
	if name != Ours {
		target, _ = subject.Find(name)
	}
	link := netem.Config{Rate: rate, Delay: roundTrip / 2, QueueTime: roundTrip}
	m := &measurement{Plan: p, peers: peers, server: target.Address}
	if m.network, err = links.NewNetwork(link, link, 1); err != nil {
		return s, err
	}
	defer func() { err = errors.Join(err, m.network.Close()) }()
	err = m.network.Near.Do(func() (err error) {
		m.process, err = subject.Start(target.Argument(), pattern.Sampled, subject.MaxReads)
		return err
	})
	if err != nil {
		return s, err
	}
	defer func() { err = errors.Join(err, m.process.Stop()) }()
	defer context.AfterFunc(ctx, m.process.Kill)() // it may not reply
	s = Sample{Peers: peers.Name, Target: name, Wanted: max(1, int(float64(peers.Count)*p.Scale))}
	return s, m.run(ctx, &s)
}

// run measures the honest transfer alone, and another one beside the peers.
func (m *measurement) run(ctx context.Context, s *Sample) (err error) {
	if s.Alone, err = m.transfer(ctx); err != nil {
		return err
	}
	before, err := m.process.Memory()
	if err != nil {
		return err
	}
	w := m.watch(before.RSS)
	defer w.end()
	open, err := m.start(ctx, s.Wanted, w)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, open.stop()) }()
	if s.Beside, err = m.transfer(ctx); err != nil {
		return err
	}
	s.Growth = w.end()
	s.Opened, s.Reset = open.counts()
	after, err := m.process.Memory()
	s.Collected, s.Counted = max(0, after.RSS-before.RSS), after.Counted
	return err
}

// transfer returns the goodput of an honest transfer in Mbit/s. It measures a transfer that stands still until it
// continues, so that a low rate is not taken for none.
func (m *measurement) transfer(ctx context.Context) (float64, error) {
	crew := load.Start(m.peers.honest, m.network.Far, m.server, 1, pattern.Sampled)
	over := errors.New("over")
	defer func() {
		crew.Abort(over) // does not wait for the data in flight
		crew.Stop()
	}()
	if err := errors.Join(crew.Ready(), crew.Wait(ctx, min(warmup, 4*m.Duration))); err != nil {
		return 0, err
	}
	begin, first, err := time.Now(), int64(0), error(nil)
	if first, err = m.transferred(crew); err != nil {
		return 0, err
	}
	for last := first; ; {
		if err := crew.Wait(ctx, m.Duration); err != nil {
			return 0, err
		}
		last, err = m.transferred(crew)
		if took := time.Since(begin); err != nil || last > first || took >= standstill {
			return float64(last-first) * 8 / 1e6 / took.Seconds(), err
		}
	}
}

// transferred returns the bytes of data that have arrived.
func (m *measurement) transferred(crew *load.Crew) (int64, error) {
	if m.peers.honest == load.Download {
		return crew.Received(), nil
	}
	u, err := m.process.Usage()
	if u.Time != 0 {
		err = nil // connections that are reset are failures of their service
	}
	return u.In, err
}

// opened are the greedy peers with their connections.
type opened struct {
	counts         func() (opened, reset int64)
	enough         func() // no more connections
	settled, ended <-chan struct{}
	stop           func() error
}

// open begins to open connections.
func (m *measurement) open(count int) *opened {
	if !m.peers.kernel {
		mob := load.StartMob(m.network.Near, m.server, m.peers.port, m.peers.greed, count)
		return &opened{func() (int64, int64) { return mob.Opened(), mob.Reset() }, mob.Enough, mob.Settled(), mob.Ended(), mob.Stop}
	}
	crew := load.Start(load.Stalled, m.network.Near, m.server, count, pattern.Sampled)
	settled := make(chan struct{})
	go func() {
		crew.Ready()
		time.Sleep(min(warmup, 4*m.Duration)) // for the data that the server sends until all buffers are full
		close(settled)
	}()
	return &opened{func() (int64, int64) { return crew.Connections(), 0 }, crew.Enough, settled, crew.Ended(), func() error {
		_, err := crew.Stop()
		return err
	}}
}

// start opens connections, and returns when all that will open are open.
func (m *measurement) start(ctx context.Context, count int, w *watch) (*opened, error) {
	o := m.open(count)
	deadline := time.After(patience)
	for tick := time.Tick(interval); ; {
		var err error
		select {
		case <-o.settled:
			return o, nil
		case <-tick:
			if w.most.Load() > int64(m.Most)<<20 {
				o.enough()
			}
			continue
		case <-o.ended:
			err = errors.New("the peers ended too early")
		case <-ctx.Done():
			err = context.Cause(ctx)
		case <-deadline:
			n, _ := o.counts()
			err = fmt.Errorf("the peers have opened %d connections in %v, and the server is not silent", n, patience)
		}
		return nil, errors.Join(err, o.stop())
	}
}

// watch looks at the resident memory of the process.
type watch struct {
	most atomic.Int64 // growth in bytes
	stop chan struct{}
	done chan struct{}
}

func (m *measurement) watch(before int64) *watch {
	w := &watch{stop: make(chan struct{}), done: make(chan struct{})}
	go func() {
		defer close(w.done)
		for tick := time.Tick(interval); ; {
			select {
			case <-w.stop:
				return
			case <-tick:
				if now, err := m.process.Resident(); err == nil {
					w.most.Store(max(w.most.Load(), now-before))
				}
			}
		}
	}()
	return w
}

// end ends the watch and returns the largest growth. It may be called again.
func (w *watch) end() int64 {
	select {
	case <-w.done:
	default:
		close(w.stop)
		<-w.done
	}
	return w.most.Load()
}
