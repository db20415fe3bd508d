package conntest

import (
	"cmp"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"time"

	"minitcp/conn"
)

// Run runs the scenario to its end. It returns the number of packets sent and the first broken rule. If trace is not
// nil, it is called for every segment with the number of its flow.
func (s Scenario) Run(trace func(flow int, v *Event)) (packets int, err error) {
	var g Group
	for i := range s.Flows {
		p := s.pair(i)
		if trace != nil {
			p.Trace = func(v *Event) { trace(i, v) }
		}
		defer p.release()
		p.DialAt(conn.Time(s.Flows[i].Start))
		g = append(g, p)
	}
	g.Share()
	broken := g.Run(maxScenario) != nil
	for i, p := range g {
		packets += p.Packets
		if err != nil || broken && p.err == nil {
			continue // only one rule is reported
		}
		err = p.result(i)
		if err != nil && s.Peer.Excuse != nil && s.Peer.Excuse(p, err) != "" {
			err = nil
		}
	}
	return packets, err
}

// release ends the goroutines of other implementations.
func (p *Pair) release() {
	for _, e := range []*End{p.A, p.B} {
		if e.Foreign != nil {
			e.Foreign.Release()
		}
	}
}

// result returns the first rule that the pair of a flow has broken, including those that are checked at the end.
func (p *Pair) result(flow int) error {
	err := p.err
	switch {
	case err != nil:
	case p.checkFastOpen() != nil:
		err = p.checkFastOpen()
	case p.endsEarly():
		err = p.checkLeft()
	default:
		err = cmp.Or(p.rebooting.check(), p.Finished())
	}
	if err == nil && !p.endsEarly() && p.A.Foreign == nil && p.B.Foreign == nil {
		err = cmp.Or(p.A.checkRepeats(&p.Link), p.B.checkRepeats(&p.Link), p.A.checkTimeouts(p), p.B.checkTimeouts(p))
	}
	if err != nil {
		return fmt.Errorf("flow %d: at %v: %w", flow, time.Duration(p.Now), err)
	}
	return nil
}

// pair returns the pair of ends of flow i.
func (s *Scenario) pair(i int) *Pair {
	f, cfg, link := s.Flows[i], s.Config, s.Link
	cfg.CongestionControl = f.Controller
	link.Delay += f.Delay
	first := cfg
	if s.Reboot.Of != "" {
		first.R2, first.KeepAlive = rebootR2, rebootKeepAlive
	}
	p := NewPair(s.Seed+uint64(i)<<32, first, link)
	s.setUp(p.A, f.Up, f.Down, s.Seed)
	s.setUp(p.B, f.Down, f.Up, s.Seed+1)
	if s.Cookies && s.Reboot.Of == "" { // such a listener does not reset connections that it has forgotten
		p.B.ListenWithCookies()
	}
	if s.FastOpen.Used && !s.Cookies && s.Peer.Of == "" && s.Reboot.Of == "" {
		p.UseFastOpen(s.FastOpen)
	}
	if s.Reboot.Of == "" {
		return p
	}
	p.rebooting = &rebooting{Reboot: s.Reboot, successor: func(old *End) *End {
		// No number of the earlier incarnation is in the window of the new one.
		n := newEnd(old.Name, cfg, old.Open.ISS+1<<31)
		n.Open.TSOffset = p.rng.Uint32()
		n.Listening = old.Listening
		if old == p.A {
			s.setUp(n, f.Up, f.Down, s.Seed+2)
		} else {
			s.setUp(n, f.Down, f.Up, s.Seed+3)
		}
		return n
	}}
	return p
}

// setUp sets the MTU, the application and the data of an end.
func (s *Scenario) setUp(e *End, side, theirs Side, seed uint64) {
	e.Open.MTU, e.Open.IPHeader = s.MTU, s.Header
	e.Monitor = Monitor{MTU: s.MTU, IPHeader: s.Header}
	e.ToSend = fill(seed, side.Bytes)
	if s.Peer.Of == e.Name {
		e.Foreign = s.Peer.New(s, e)
	}
	e.App = (&application{Side: side, peer: theirs, dials: !e.Listening}).run
}

// fill returns n random bytes.
func fill(seed uint64, n int) []byte {
	r := rand.New(rand.NewPCG(seed, 2))
	b := make([]byte, 0, n+7)
	for len(b) < n {
		b = binary.LittleEndian.AppendUint64(b, r.Uint64())
	}
	return b[:n]
}
