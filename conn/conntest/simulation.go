package conntest

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"minitcp/conn"
)

// Run plays the scenario to its end, and returns the first broken rule. Trace, if not nil, is told of every segment, with
// the number of its flow.
func (s Scenario) Run(trace func(flow int, v *Event)) error {
	var g Group
	for i, f := range s.Flows {
		cfg := s.Config
		cfg.CongestionControl = f.Controller
		link := s.Link
		link.Delay += f.Delay
		p := NewPair(s.Seed+uint64(i)<<32, cfg, link)
		for _, e := range []*End{p.A, p.B} {
			e.Open.MTU, e.Open.IPHeader = s.MTU, s.Header
			e.Monitor = Monitor{MTU: s.MTU, IPHeader: s.Header}
		}
		p.A.ToSend, p.B.ToSend = fill(s.Seed, f.Up.Octets), fill(s.Seed+1, f.Down.Octets)
		p.A.App = (&application{Side: f.Up, theirs: f.Down, dials: true}).run
		p.B.App = (&application{Side: f.Down, theirs: f.Up}).run
		if trace != nil {
			p.Trace = func(v *Event) { trace(i, v) }
		}
		p.DialAt(conn.Time(f.Start))
		g = append(g, p)
	}
	g.Share()
	if err := g.Run(maxScenario); err != nil {
		return err
	}
	for i, p := range g {
		if err := errors.Join(p.Finished(), p.A.needless(&p.Link), p.B.needless(&p.Link), p.A.idleTimeouts(p), p.B.idleTimeouts(p)); err != nil {
			return fmt.Errorf("flow %d: at %v: %w", i, time.Duration(p.Now), err)
		}
	}
	return nil
}

// fill returns n octets that are not like each other.
func fill(seed uint64, n int) []byte {
	r := rand.New(rand.NewPCG(seed, 2))
	b := make([]byte, n)
	for i := 0; i < n; i += 8 {
		for v, j := r.Uint64(), i; j < min(i+8, n); j++ {
			b[j] = byte(v)
			v >>= 8
		}
	}
	return b
}
