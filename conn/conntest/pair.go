package conntest

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"minitcp/conn"
	"minitcp/conn/netem"
)

// Pair is two ends joined by a link, driven by the contract of package conn. After every call the invariants of the
// connection and the segments that it sends are checked. The first broken rule ends the run.
type Pair struct {
	Now  conn.Time
	A, B *End
	Link Link
	// Fate returns the fate of each packet that an end sends. Nil means the link's probabilities.
	Fate func(*End) netem.Fate
	// Packets is the number of packets sent.
	Packets int

	// Trace is called for the departure, arrival or loss of every segment if it is not nil.
	Trace func(*Event)

	rebooting *rebooting // nil if no end reboots

	dialAt   conn.Time // time at which A dials, or Never
	inFlight netem.Transit[*packet]
	rng      *rand.Rand
	// boxRand is the source of random values for Link.Box. It is separate so that a box does not change the rest of a
	// scenario.
	boxRand *rand.Rand
	err     error
}

// NewPair returns two ends with the same configuration. A will dial and B listens. All random values come from the
// seed.
func NewPair(seed uint64, cfg conn.Config, link Link) *Pair {
	p := &Pair{Link: link, dialAt: conn.Never, rng: rand.New(rand.NewPCG(seed, 1)), boxRand: rand.New(rand.NewPCG(seed, 5))}
	p.A = newEnd("a", cfg, 0xfffffff0) // wraps around after 16 bytes
	p.B = newEnd("b", cfg, 77)
	p.B.Listening = true
	p.A.peer, p.B.peer = p.B, p.A
	return p
}

func newEnd(name string, cfg conn.Config, iss uint32) *End {
	e := &End{Name: name, Open: conn.Open{ISS: iss, TSOffset: iss, MTU: 1500, IPHeader: 20}}
	e.Monitor = Monitor{MTU: e.Open.MTU, IPHeader: e.Open.IPHeader}
	e.direction, e.Wake = new(netem.Direction), conn.Never
	cfg.Pool, cfg.Pressure, cfg.BulkReceivers = &e.Pages, &e.Pages, &e.Bulk
	e.Config = cfg.WithDefaults()
	return e
}

// Dial starts an active open at e.
func (p *Pair) Dial(e *End) {
	if e.Foreign != nil {
		e.Foreign.Dial(p.Now)
		p.Flush(e)
		return
	}
	e.Monitor.Called()
	if e.fastOpen != nil {
		e.Conn = conn.DialFastOpen(p.Now, &e.Config, e.Open, *e.fastOpen)
	} else {
		e.Conn = conn.Dial(p.Now, &e.Config, e.Open)
	}
	p.Flush(e)
}

// DialAt makes A dial at t.
func (p *Pair) DialAt(t conn.Time) { p.dialAt = t }

// fail records the first broken rule.
func (p *Pair) fail(err error) {
	if p.err == nil {
		p.err = fmt.Errorf("at %v: %w", time.Duration(p.Now), err)
	}
}

// check records an error of e, if it is not nil, as a broken rule.
func (p *Pair) check(err error, e *End) {
	if err != nil {
		p.fail(fmt.Errorf("%s: %w", e.Name, err))
	}
}

// Step calls the applications, moves the time to the next event, and processes all events of that time. It reports
// false if there is no further event or a rule is broken.
func (p *Pair) Step() bool { return Group{p}.Step() }

// applications calls the applications of both ends.
func (p *Pair) applications() {
	for _, e := range []*End{p.A, p.B} {
		if e.Conn == nil && e.Foreign == nil {
			continue
		}
		app := e.App
		if app == nil {
			app = Transfer
		}
		e.Monitor.Called()
		e.Wake = conn.Never
		app(p, e)
		p.Flush(e)
	}
}

// next returns the time of the next event.
func (p *Pair) next() conn.Time {
	next := min(p.dialAt, p.nextArrival(), p.rebooting.next(p.Now))
	for _, e := range []*End{p.A, p.B} {
		if m := e.endpoint(); m != nil {
			next = min(next, m.Deadline())
		}
		if e.Foreign != nil {
			next = min(next, max(e.Foreign.Deadline(), p.Now+1))
		}
		if e.Conn != nil || e.Foreign != nil {
			next = min(next, max(e.Wake, p.Now+1))
		}
	}
	return next
}

// advance moves the time to now and processes the events that are due.
func (p *Pair) advance(now conn.Time) {
	p.Now = max(p.Now, now)
	p.reboot()
	if p.dialAt <= p.Now {
		p.dialAt = conn.Never
		p.Dial(p.A)
	}
	p.deliver()
	for _, e := range []*End{p.A, p.B} {
		if e.Foreign != nil && e.Foreign.Deadline() <= p.Now {
			e.Foreign.Advance(p.Now)
			p.Flush(e)
		}
		if m := e.endpoint(); m != nil && m.Deadline() <= p.Now {
			e.Monitor.Called()
			m.Advance(p.Now)
			p.Flush(e)
			if m := e.endpoint(); m != nil && m.Deadline() <= p.Now {
				p.check(errors.New("the deadline is not after Advance's time"), e)
			}
		}
	}
}

// Run steps for a duration or until there is no further event, and returns the first broken rule.
func (p *Pair) Run(d time.Duration) error { return Group{p}.Run(d) }

// Finished returns nil if both ends have closed the connection without an error, have received all data, and hold no
// memory.
func (p *Pair) Finished() error {
	if p.err != nil {
		return p.err
	}
	if err := p.Prefixes(); err != nil {
		return err
	}
	if err := p.checkEnd(p.A, p.B); err != nil {
		return err
	}
	return p.checkEnd(p.B, p.A)
}

// Prefixes returns an error unless the data received by each end is a prefix of the data sent by the other.
func (p *Pair) Prefixes() error {
	if !bytes.HasPrefix(p.A.ToSend, p.B.Received) || !bytes.HasPrefix(p.B.ToSend, p.A.Received) {
		return errors.New("received data differs from sent data")
	}
	return nil
}

// Over reports whether e's connection is gone, TIME-WAIT included.
func (e *End) Over() bool { return e.over }
