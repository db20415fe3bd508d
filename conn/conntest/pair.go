package conntest

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"minitcp/conn"
	"minitcp/conn/wire"
)

// Pair is two ends joined by a link, each driven as package conn wants it. After every call it looks whether the
// connection and what it sends keep the rules; the first that is broken ends the run.
type Pair struct {
	Now  conn.Time
	A, B *End
	Link Link
	// Fate decides what becomes of each packet. Nil decides by Link's probabilities.
	Fate func() Fate
	// Packets is how many have been sent.
	Packets int

	flying []packet
	rng    *rand.Rand
	err    error
}

type packet struct {
	at     conn.Time
	to     *End
	seg    conn.Segment
	damage bool
}

// NewPair returns two ends with one configuration. A will dial, B listens. What is random comes from the seed.
func NewPair(seed uint64, cfg conn.Config, link Link) *Pair {
	p := &Pair{Link: link, rng: rand.New(rand.NewPCG(seed, 1))}
	p.A = newEnd("a", cfg, 0xfffffff0) // wraps soon
	p.B = newEnd("b", cfg, 77)
	p.B.Listening = true
	return p
}

func newEnd(name string, cfg conn.Config, iss uint32) *End {
	e := &End{Name: name, Open: conn.Open{ISS: iss, TSOffset: iss, MTU: 1500, IPHeader: 20}}
	e.Monitor = Monitor{MTU: e.Open.MTU, IPHeader: e.Open.IPHeader}
	cfg.Pages = &e.Pages
	e.Config = cfg.WithDefaults()
	return e
}

// Dial begins an active OPEN at e.
func (p *Pair) Dial(e *End) {
	e.Monitor.Called()
	e.Conn = conn.Dial(p.Now, &e.Config, e.Open)
	p.Settle(e)
}

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

// send puts a segment on the link.
func (p *Pair) send(e *End, out *conn.Outgoing) {
	data := bytes.Join(out.Data, nil)
	if size := out.SegmentSize; p.Link.Cut && size > 0 && len(data) > size {
		h := out.TCP
		h.Flags &^= wire.FIN | wire.PSH
		for ; len(data) > size; data = data[size:] {
			p.fly(e, packet{seg: conn.Segment{TCP: h, Data: data[:size], ECN: out.ECN}})
			h.Seq += uint32(size)
			h.Flags &^= wire.CWR // the first says it for all
		}
		h.Flags = out.TCP.Flags &^ wire.CWR
		p.fly(e, packet{seg: conn.Segment{TCP: h, Data: data, ECN: out.ECN}})
		return
	}
	p.fly(e, packet{seg: conn.Segment{TCP: out.TCP, Data: data, SegmentSize: out.SegmentSize, ECN: out.ECN}})
}

func (p *Pair) fly(e *End, k packet) {
	p.Packets++
	fate := Fate{}
	if p.Fate != nil {
		fate = p.Fate()
	} else {
		fate = p.Link.random(p.rng)
	}
	sent, ok := e.pipe.depart(&p.Link, p.Now, 40+k.seg.TCP.Options.Len()+len(k.seg.Data))
	if !ok {
		return
	}
	k.to, k.damage = p.A, fate.Damage
	if fate.Mark && k.seg.ECN != wire.NotECT {
		k.seg.ECN = wire.CE
	}
	if e == p.A {
		k.to = p.B
	}
	for range fate.Copies {
		k.at = sent.Add(p.Link.Delay + fate.Delay)
		if p.Link.Jitter > 0 {
			k.at = k.at.Add(time.Duration(p.rng.Int64N(int64(p.Link.Jitter))))
		}
		p.flying = append(p.flying, k)
	}
}

// Step lets the applications run and then does what is due at the next instant at which something is. It reports
// whether there was one: false is the end, or a broken rule.
func (p *Pair) Step() bool {
	for _, e := range []*End{p.A, p.B} {
		if e.Conn == nil {
			continue
		}
		app := e.App
		if app == nil {
			app = Transfer
		}
		e.Monitor.Called()
		app(p, e)
		p.Settle(e)
	}
	next := p.next()
	if next == conn.Never || p.err != nil {
		return false
	}
	p.Now = max(p.Now, next)
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
	return p.err == nil
}

func (p *Pair) next() conn.Time {
	next := conn.Never
	for i := range p.flying {
		next = min(next, p.flying[i].at)
	}
	for _, e := range []*End{p.A, p.B} {
		if m := e.machine(); m != nil {
			next = min(next, m.Deadline())
		}
	}
	return next
}

// deliver hands over the packets that have arrived, in the order in which they did.
func (p *Pair) deliver() {
	var arrived []packet
	p.flying = slices.DeleteFunc(p.flying, func(k packet) bool {
		if k.at <= p.Now {
			arrived = append(arrived, k)
			return true
		}
		return false
	})
	for i := range arrived {
		if k := &arrived[i]; !k.damage {
			p.receive(k.to, &k.seg)
		}
	}
}

// Run takes steps for a time, or until nothing is left to happen, and returns the first broken rule.
func (p *Pair) Run(d time.Duration) error {
	end := p.Now.Add(d)
	for n := 0; p.Now < end && p.Step(); n++ {
		if n > 5_000_000 {
			p.fail(errors.New("no end in sight"))
		}
	}
	return p.err
}

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
