package conntest

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"minitcp/conn"
)

// Pair is two ends joined by a link, each driven as package conn wants it. After every call it looks whether the
// connection and what it sends keep the rules; the first that is broken ends the run.
type Pair struct {
	Now  conn.Time
	A, B *End
	Link Link
	// Fate decides the fate of each packet that an end sends. If it is nil, Link's probabilities do.
	Fate func(*End) Fate
	// Packets is how many have been sent.
	Packets int

	// Trace is told of everything that leaves an end, arrives, or gets lost. Nil: nobody is.
	Trace func(*Event)

	rebooting *rebooting // nil: no end does

	dialAt conn.Time // when A does; Never: it is told to, or has
	flying flight
	rng    *rand.Rand
	// boxRand is what Link.Box draws from, so that a link without a box is as it was.
	boxRand *rand.Rand
	err     error
}

// NewPair returns two ends with one configuration. A will dial, B listens. What is random comes from the seed.
func NewPair(seed uint64, cfg conn.Config, link Link) *Pair {
	p := &Pair{Link: link, dialAt: conn.Never, rng: rand.New(rand.NewPCG(seed, 1)), boxRand: rand.New(rand.NewPCG(seed, 5))}
	p.A = newEnd("a", cfg, 0xfffffff0) // wraps soon
	p.B = newEnd("b", cfg, 77)
	p.B.Listening = true
	p.A.peer, p.B.peer = p.B, p.A
	return p
}

func newEnd(name string, cfg conn.Config, iss uint32) *End {
	e := &End{Name: name, Open: conn.Open{ISS: iss, TSOffset: iss, MTU: 1500, IPHeader: 20}}
	e.Monitor = Monitor{MTU: e.Open.MTU, IPHeader: e.Open.IPHeader}
	e.pipe, e.Wake = new(pipe), conn.Never
	cfg.Pool, cfg.Pressure, cfg.BulkReceivers = &e.Pages, &e.Pages, &e.Bulk
	e.Config = cfg.WithDefaults()
	return e
}

// Dial begins an active OPEN at e.
func (p *Pair) Dial(e *End) {
	e.Monitor.Called()
	e.Conn = conn.Dial(p.Now, &e.Config, e.Open)
	p.Settle(e)
}

// DialAt lets A do that later.
func (p *Pair) DialAt(t conn.Time) { p.dialAt = t }

func (p *Pair) fail(err error) {
	if p.err == nil {
		p.err = fmt.Errorf("at %v: %w", time.Duration(p.Now), err)
	}
}

func (p *Pair) check(err error, e *End) {
	if err != nil {
		p.fail(fmt.Errorf("%s: %w", e.Name, err))
	}
}

// Step lets the applications run and then does what is due at the next instant at which something is. It reports
// whether there was one: false is the end, or a broken rule.
func (p *Pair) Step() bool { return Group{p}.Step() }

// applications lets them run.
func (p *Pair) applications() {
	for _, e := range []*End{p.A, p.B} {
		if e.Conn == nil {
			continue
		}
		app := e.App
		if app == nil {
			app = Transfer
		}
		e.Monitor.Called()
		e.Wake = conn.Never
		app(p, e)
		p.Settle(e)
	}
}

// next is when something is due.
func (p *Pair) next() conn.Time {
	next := min(p.dialAt, p.flying.next(), p.rebooting.next(p.Now))
	for _, e := range []*End{p.A, p.B} {
		if m := e.machine(); m != nil {
			next = min(next, m.Deadline())
		}
		if e.Conn != nil {
			next = min(next, max(e.Wake, p.Now+1))
		}
	}
	return next
}

// advance does what is due at an instant.
func (p *Pair) advance(now conn.Time) {
	p.Now = max(p.Now, now)
	p.reboot()
	if p.dialAt <= p.Now {
		p.dialAt = conn.Never
		p.Dial(p.A)
	}
	p.deliver()
	for _, e := range []*End{p.A, p.B} {
		if m := e.machine(); m != nil && m.Deadline() <= p.Now {
			e.Monitor.Called()
			m.Advance(p.Now)
			p.Settle(e)
			if m := e.machine(); m != nil && m.Deadline() <= p.Now {
				p.check(errors.New("the deadline does not move"), e)
			}
		}
	}
}

// Run takes steps for a time, or until nothing is left to happen, and returns the first broken rule.
func (p *Pair) Run(d time.Duration) error { return Group{p}.Run(d) }

// Finished returns nil if both ends have released the connection in good order, everything either sent was received by
// the other, and no memory is held.
func (p *Pair) Finished() error {
	if p.err != nil {
		return p.err
	}
	if err := p.Prefixes(); err != nil {
		return err
	}
	if err := p.finish(p.A, p.B); err != nil {
		return err
	}
	return p.finish(p.B, p.A)
}

// Prefixes returns an error if an end has received anything but what the other sent.
func (p *Pair) Prefixes() error {
	if !bytes.HasPrefix(p.A.ToSend, p.B.Received) || !bytes.HasPrefix(p.B.ToSend, p.A.Received) {
		return errors.New("received what was not sent")
	}
	return nil
}

// Over reports whether e's connection is gone, TIME-WAIT included.
func (e *End) Over() bool { return e.over }
