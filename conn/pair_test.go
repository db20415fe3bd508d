package conn

import (
	"bytes"
	"fmt"
	"io"
	"math/rand/v2"
	"testing"
	"time"

	"minitcp/conn/wire"
)

// The pair is two ends joined by a link in virtual time, each driven as the package comment says. Everything random
// comes from a seed.

type machine interface {
	Receive(Time, *Segment) Verdict
	Transmit(Time, int, *Outgoing) bool
	Deadline() Time
	Advance(Time)
}

type end struct {
	name    string
	cfg     Config
	open    Open
	listen  bool
	embryo  *Embryo
	conn    *Conn
	remnant *Remnant

	toSend  []byte
	sent    int
	got     []byte
	closed  bool
	sawEOF  bool
	readErr error
	idle    bool // the application does nothing
}

func (e *end) machine() machine {
	switch {
	case e.remnant != nil:
		return e.remnant
	case e.conn != nil:
		return e.conn
	case e.embryo != nil:
		return e.embryo
	}
	return nil
}

type packet struct {
	at  Time
	to  *end
	seg Segment
}

type pair struct {
	t       *testing.T
	now     Time
	a, b    *end
	wire    []packet
	rng     *rand.Rand
	loss    float64
	dup     float64
	jitter  time.Duration
	delay   time.Duration
	limit   int
	packets int
}

func newPair(t *testing.T, seed uint64, cfg Config) *pair {
	p := &pair{t: t, rng: rand.New(rand.NewPCG(seed, 1)), delay: 5 * time.Millisecond, limit: 16000}
	open := func(iss uint32) Open { return Open{ISS: iss, TSOffset: iss, MTU: 1500, IPHeader: 20} }
	p.a = &end{name: "a", cfg: cfg.WithDefaults(), open: open(0xfffffff0)}
	p.b = &end{name: "b", cfg: cfg.WithDefaults(), open: open(77), listen: true}
	return p
}

func (p *pair) peer(e *end) *end {
	if e == p.a {
		return p.b
	}
	return p.a
}

// drain is the driver: transmit until nothing is left, then take TIME-WAIT's small form.
func (p *pair) drain(e *end) {
	var out Outgoing
	for n := 0; ; n++ {
		m := e.machine()
		if m == nil || !m.Transmit(p.now, p.limit, &out) {
			break
		}
		if n > 10000 {
			p.t.Fatalf("%s transmits without end: %+v", e.name, out.TCP)
		}
		p.send(e, &out)
	}
	if e.conn != nil && e.conn.State() == TimeWait && e.remnant == nil {
		e.remnant = e.conn.Remnant(p.now)
	}
}

func (p *pair) send(e *end, out *Outgoing) {
	p.packets++
	data := bytes.Join(out.Data, nil)
	if len(data) != out.Len {
		p.t.Fatalf("%s: Len %d, data %d", e.name, out.Len, len(data))
	}
	if p.rng.Float64() < p.loss {
		return
	}
	copies := 1
	if p.rng.Float64() < p.dup {
		copies = 2
	}
	for range copies {
		at := p.now.Add(p.delay)
		if p.jitter > 0 {
			at = at.Add(time.Duration(p.rng.Int64N(int64(p.jitter))))
		}
		p.wire = append(p.wire, packet{at, p.peer(e), Segment{TCP: out.TCP, Data: data, SegmentSize: out.SegmentSize}})
	}
}

func (p *pair) deliver(e *end, s *Segment) {
	if e.machine() == nil {
		var out Outgoing
		if e.listen && e.conn == nil && s.TCP.Flags == wire.SYN {
			e.embryo = NewEmbryo(p.now, &e.cfg, e.open, &s.TCP)
		} else if Reset(&s.TCP, len(s.Data), &out) {
			p.send(e, &out)
		}
		return
	}
	e.machine().Receive(p.now, s)
	if e.conn == nil && e.embryo != nil {
		switch e.embryo.State() {
		case EmbryoReady:
			e.conn = e.embryo.Establish(p.now)
			e.embryo = nil
			e.conn.Receive(p.now, s)
		case EmbryoDead:
			p.drain(e)
			e.embryo = nil
		}
	}
}

// app is an application that writes all it has, half-closes, and reads to the end.
func (p *pair) app(e *end) {
	c := e.conn
	if c == nil || e.idle || c.Ready()&ReadyConnected == 0 || c.Err() != nil {
		return
	}
	for e.sent < len(e.toSend) {
		n, err := c.Write(p.now, e.toSend[e.sent:])
		if err != nil {
			break
		}
		e.sent += n
	}
	if e.sent == len(e.toSend) && !e.closed {
		e.closed = true
		if err := c.CloseWrite(p.now); err != nil {
			p.t.Fatalf("%s: CloseWrite: %v", e.name, err)
		}
	}
	buf := make([]byte, 1+p.rng.IntN(20000))
	for !e.sawEOF && e.readErr == nil {
		n, err := c.Read(p.now, buf)
		e.got = append(e.got, buf[:n]...)
		switch err {
		case nil:
			continue
		case io.EOF:
			e.sawEOF = true
		case ErrWouldBlock:
			return
		default:
			e.readErr = err
		}
	}
}

// step does everything due at the next instant something happens, and reports whether there was one.
func (p *pair) step() bool {
	for _, e := range []*end{p.a, p.b} {
		p.app(e)
		p.drain(e)
	}
	next := Never
	for _, k := range p.wire {
		next = min(next, k.at)
	}
	for _, e := range []*end{p.a, p.b} {
		if m := e.machine(); m != nil {
			next = min(next, m.Deadline())
		}
	}
	if next == Never {
		return false
	}
	p.now = max(p.now, next)
	for i := 0; i < len(p.wire); {
		if k := p.wire[i]; k.at <= p.now {
			p.wire = append(p.wire[:i], p.wire[i+1:]...)
			p.deliver(k.to, &k.seg)
			p.drain(k.to)
			continue
		}
		i++
	}
	for _, e := range []*end{p.a, p.b} {
		if e.remnant != nil && e.remnant.Expired(p.now) {
			e.remnant, e.conn = nil, nil
			e.listen = false
			continue
		}
		if m := e.machine(); m != nil && m.Deadline() <= p.now {
			m.Advance(p.now)
			p.drain(e)
		}
		if e.conn != nil {
			checkInvariants(p.t, e.conn)
		}
	}
	return true
}

// checkInvariants asserts what must hold after every call.
func checkInvariants(t *testing.T, c *Conn) {
	t.Helper()
	s, r := &c.snd, &c.rcv
	if s.una > s.nxt || s.nxt > s.max || s.max > s.buf.end+1 && c.state != Closed {
		t.Fatalf("send space out of order: una %d nxt %d max %d end %d", s.una, s.nxt, s.max, s.buf.end)
	}
	if r.buf.start > r.buf.next || c.state.synchronized() && r.edge < r.buf.next && !r.finDone {
		t.Fatalf("receive space out of order: start %d next %d edge %d", r.buf.start, r.buf.next, r.edge)
	}
	last := r.buf.next
	for _, i := range r.buf.ahead {
		if i.start <= last || i.end <= i.start {
			t.Fatalf("ranges out of order: %v after %d", r.buf.ahead, r.buf.next)
		}
		last = i.end
	}
}

func (p *pair) run(d time.Duration) {
	end := p.now.Add(d)
	for n := 0; p.now < end && p.step(); n++ {
		if n > 2_000_000 {
			p.t.Fatal("no end in sight")
		}
	}
}

func randomBytes(seed uint64, n int) []byte {
	r := rand.New(rand.NewPCG(seed, 2))
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(r.Uint32())
	}
	return b
}

// Bytes out are bytes in, both ways at once, and both ends reach their final state, whatever the link does.
func TestTransferOverBadLinks(t *testing.T) {
	for seed := range uint64(200) {
		t.Run(fmt.Sprint("seed", seed), func(t *testing.T) {
			r := rand.New(rand.NewPCG(seed, 3))
			cfg := Config{}
			if r.IntN(4) == 0 {
				cfg.ReceiveBuffer = 2048 << r.IntN(6)
				cfg.SendBuffer = 2048 << r.IntN(6)
			}
			if r.IntN(4) == 0 {
				cfg.Timestamps = Disabled
			}
			if r.IntN(4) == 0 {
				cfg.WindowScale = Disabled
			}
			p := newPair(t, seed, cfg)
			p.loss = []float64{0, 0.01, 0.05, 0.2}[r.IntN(4)]
			p.dup = []float64{0, 0.05}[r.IntN(2)]
			p.jitter = []time.Duration{0, 20 * time.Millisecond}[r.IntN(2)]
			p.limit = []int{1, 16000, 65000}[r.IntN(3)]
			p.a.toSend = randomBytes(seed, r.IntN(200000))
			p.b.toSend = randomBytes(seed+1, r.IntN(200000))
			p.a.conn = Dial(p.now, &p.a.cfg, p.a.open)
			p.run(time.Hour)
			if !bytes.Equal(p.b.got, p.a.toSend) || !bytes.Equal(p.a.got, p.b.toSend) {
				t.Fatalf("loss %v dup %v jitter %v: b got %d of %d (%v), a got %d of %d (%v)", p.loss, p.dup, p.jitter,
					len(p.b.got), len(p.a.toSend), p.b.readErr, len(p.a.got), len(p.b.toSend), p.a.readErr)
			}
			for _, e := range []*end{p.a, p.b} {
				if e.conn != nil && e.conn.State() != Closed {
					t.Errorf("%s ends in %v", e.name, e.conn.State())
				}
			}
		})
	}
}

// Both send a SYN at once; both become ESTABLISHED (MUST-10).
func TestSimultaneousOpen(t *testing.T) {
	p := newPair(t, 1, Config{})
	p.b.listen = false
	p.a.toSend, p.b.toSend = []byte("ping"), []byte("pong")
	p.a.conn = Dial(p.now, &p.a.cfg, p.a.open)
	p.b.conn = Dial(p.now, &p.b.cfg, p.b.open)
	p.run(time.Minute)
	if string(p.b.got) != "ping" || string(p.a.got) != "pong" {
		t.Fatalf("got %q and %q", p.a.got, p.b.got)
	}
}

// A peer that never answers: the SYN is sent again and again, and after the SYN timeout Dial has failed (MUST-23).
func TestSYNTimeout(t *testing.T) {
	p := newPair(t, 1, Config{})
	p.loss = 1
	p.a.conn = Dial(p.now, &p.a.cfg, p.a.open)
	p.run(time.Hour)
	if err := p.a.conn.Err(); err != ErrTimeout || p.now < Time(3*time.Minute) || p.packets < 6 {
		t.Fatalf("err %v at %v after %d packets", err, time.Duration(p.now), p.packets)
	}
}

// Nobody listens: the RST refuses the connection.
func TestRefused(t *testing.T) {
	p := newPair(t, 1, Config{})
	p.b.listen = false
	p.a.conn = Dial(p.now, &p.a.cfg, p.a.open)
	p.run(time.Minute)
	if err := p.a.conn.Err(); err != ErrRefused || p.packets != 2 {
		t.Fatalf("err %v after %d packets", err, p.packets)
	}
}

// A reader that stops reading closes the window; however long it pauses, probes keep the connection (MUST-36, MUST-37).
func TestZeroWindowOutlastsR2(t *testing.T) {
	p := newPair(t, 1, Config{ReceiveBuffer: 4096, R2: 2 * time.Minute})
	p.a.idle, p.b.idle = true, true
	p.a.conn = Dial(p.now, &p.a.cfg, p.a.open)
	for p.b.conn == nil {
		if !p.step() {
			t.Fatal("no connection")
		}
	}
	a, b := p.a.conn, p.b.conn
	data := randomBytes(1, 20000)
	if n, err := a.Write(p.now, data); n != len(data) || err != nil {
		t.Fatal(n, err)
	}
	p.run(time.Hour)
	if a.State() != Established || a.Info().SendWindow != 0 {
		t.Fatalf("after an hour: %v, window %d, %v", a.State(), a.Info().SendWindow, a.Err())
	}
	var got []byte
	buf := make([]byte, 4096)
	for range 100 {
		n, _ := b.Read(p.now, buf)
		got = append(got, buf[:n]...)
		p.run(10 * time.Second)
	}
	if !bytes.Equal(got, data) {
		t.Fatalf("got %d of %d octets", len(got), len(data))
	}
}
