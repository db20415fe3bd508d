package conn

import (
	"bytes"
	"testing"
	"time"

	"minitcp/conn/seq"
	"minitcp/conn/wire"
)

// endpoint is a single connection and a test that plays its peer: typed segments in, expected segments out, nothing
// else. Numbers are relative: our SYN is ours at 0, the peer's SYN is theirs at 0.
type endpoint struct {
	t    *testing.T
	now  Time
	c    *Conn
	cfg  Config
	last Outgoing
	data []byte
}

const (
	testISS = 0xffffff00 // both numbers wrap soon
	testIRS = 0xfffffff0
)

// segment is a segment as a test writes it.
type segment struct {
	flags    wire.Flags
	seq, ack int64
	data     string
	window   int // -1: 0, 0: 65535
	options  wire.Options
	urgent   uint16
}

func newEndpoint(t *testing.T, cfg Config) *endpoint {
	cfg = plain(cfg)
	return &endpoint{t: t, cfg: cfg.WithDefaults(), now: 1e9}
}

// plain disables the options that most tests do not use.
func plain(cfg Config) Config {
	if cfg.MaxRTO == 0 { // a test that sets it uses the options too
		cfg.Timestamps, cfg.SACK, cfg.WindowScale = Disabled, Disabled, Disabled
	}
	return cfg
}

func testOpen() Open { return Open{ISS: testISS, TSOffset: 1000, MTU: 1500, IPHeader: 20} }

func dialEndpoint(t *testing.T, cfg Config) *endpoint {
	o := newEndpoint(t, cfg)
	o.c = Dial(o.now, &o.cfg, testOpen())
	return o
}

// established returns a connection in ESTABLISHED: una=nxt=1 on both sides, MSS 1460.
func established(t *testing.T, cfg Config) *endpoint {
	t.Helper()
	o := dialEndpoint(t, cfg)
	o.want(segment{flags: wire.SYN})
	o.in(segment{flags: wire.SYN | wire.ACK, ack: 1, options: wire.Options{MSS: 1460}})
	o.want(segment{flags: wire.ACK, seq: 1, ack: 1})
	o.state(Established)
	return o
}

func (o *endpoint) in(s segment) Verdict {
	o.t.Helper()
	window := uint16(65535)
	switch {
	case s.window < 0:
		window = 0
	case s.window > 0:
		window = uint16(s.window)
	}
	v := o.c.Receive(o.now, &Segment{
		TCP: wire.TCP{Seq: testIRS + uint32(s.seq), Ack: testISS + uint32(s.ack), Flags: s.flags, Window: window,
			Urgent: s.urgent, Options: s.options},
		Data: []byte(s.data),
	})
	o.check()
	return v
}

func (o *endpoint) check() {
	o.t.Helper()
	if err := o.c.Check(); err != nil {
		o.t.Fatal(err)
	}
}

// want checks that exactly this segment is sent next.
func (o *endpoint) want(s segment) {
	o.t.Helper()
	if !o.c.Transmit(o.now, 1, &o.last) {
		o.t.Fatalf("sent nothing, want %v seq %d ack %d data %d", s.flags, s.seq, s.ack, len(s.data))
	}
	o.check()
	h := &o.last.TCP
	o.data = bytes.Join(o.last.Data, nil)
	ack := int64(0)
	if h.Flags.Has(wire.ACK) {
		ack = int64(seq.Unwrap(testIRS, seq.Offset(s.ack), h.Ack))
	}
	at := int64(seq.Unwrap(testISS, seq.Offset(s.seq), h.Seq))
	if h.Flags&^wire.PSH != s.flags || at != s.seq || ack != s.ack || string(o.data) != s.data {
		o.t.Fatalf("sent %v seq %d ack %d %.20q(%d), want %v seq %d ack %d %.20q(%d)",
			h.Flags, at, ack, o.data, len(o.data), s.flags, s.seq, s.ack, s.data, len(s.data))
	}
}

func (o *endpoint) nothing() {
	o.t.Helper()
	if o.c.Transmit(o.now, 1, &o.last) {
		o.t.Fatalf("sent %v seq %d, want nothing", o.last.TCP.Flags, o.last.TCP.Seq-testISS)
	}
}

// wait advances the time, stopping at every deadline.
func (o *endpoint) wait(d time.Duration) {
	o.t.Helper()
	end := o.now.Add(d)
	for o.c.Deadline() <= end {
		o.now = max(o.now, o.c.Deadline())
		before := o.c.Deadline()
		o.c.Advance(o.now)
		o.check()
		if o.c.Deadline() == before {
			o.t.Fatalf("deadline %v does not move", before)
		}
		if o.now == end {
			break
		}
		if o.c.active != nil && (o.c.ack.due || o.c.snd.windowProbe || o.c.ack.probe || o.c.resetDue || o.c.timeouts > 0) {
			break // the test checks that segment before more time passes
		}
	}
	o.now = end
}

func (o *endpoint) state(want State) {
	o.t.Helper()
	if o.c.State() != want {
		o.t.Fatalf("state %v, want %v", o.c.State(), want)
	}
}

func (o *endpoint) write(s string) {
	o.t.Helper()
	if n, err := o.c.Write(o.now, []byte(s)); n != len(s) || err != nil {
		o.t.Fatalf("Write: %d, %v", n, err)
	}
}

func (o *endpoint) read(want string, wantErr error) {
	o.t.Helper()
	b := make([]byte, 100000)
	n, err := o.c.Read(b)
	if string(b[:n]) != want || err != wantErr {
		o.t.Fatalf("Read: %.20q, %v; want %.20q, %v", b[:n], err, want, wantErr)
	}
}

const (
	ack = wire.ACK
	syn = wire.SYN
	fin = wire.FIN | wire.ACK
	rst = wire.RST
)

func repeat(n int) string { return string(bytes.Repeat([]byte("x"), n)) }
