package conn

import (
	"bytes"
	"fmt"
	"io"
	"testing"
	"time"

	"minitcp/conn/buffer"
	"minitcp/conn/seq"
	"minitcp/conn/wire"
)

// one is a single connection and a test that plays its peer: typed segments in, expected segments out, nothing else.
// Numbers are relative: our SYN is ours at 0, the peer's SYN is theirs at 0.
type one struct {
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

// segment is what a test says of a segment.
type segment struct {
	flags    wire.Flags
	seq, ack int64
	data     string
	window   int // -1: 0, 0: 65535
	options  wire.Options
	urgent   uint16
}

func newOne(t *testing.T, cfg Config) *one {
	cfg = plain(cfg)
	return &one{t: t, cfg: cfg.WithDefaults(), now: 1e9}
}

// plain switches off the options a test does not want to see.
func plain(cfg Config) Config {
	if cfg.MaxRTO == 0 { // a test that sets it wants the options too
		cfg.Timestamps, cfg.SACK, cfg.WindowScale = Disabled, Disabled, Disabled
	}
	return cfg
}

func testOpen() Open { return Open{ISS: testISS, TSOffset: 1000, MTU: 1500, IPHeader: 20} }

func dialOne(t *testing.T, cfg Config) *one {
	o := newOne(t, cfg)
	o.c = Dial(o.now, &o.cfg, testOpen())
	return o
}

// established is a connection in ESTABLISHED: una=nxt=1 on both sides, MSS 1460.
func established(t *testing.T, cfg Config) *one {
	t.Helper()
	o := dialOne(t, cfg)
	o.want(segment{flags: wire.SYN})
	o.in(segment{flags: wire.SYN | wire.ACK, ack: 1, options: wire.Options{MSS: 1460}})
	o.want(segment{flags: wire.ACK, seq: 1, ack: 1})
	o.state(Established)
	return o
}

func (o *one) in(s segment) Verdict {
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

func (o *one) check() {
	o.t.Helper()
	if err := o.c.Check(); err != nil {
		o.t.Fatal(err)
	}
}

// want expects exactly this to be sent next.
func (o *one) want(s segment) {
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

func (o *one) nothing() {
	o.t.Helper()
	if o.c.Transmit(o.now, 1, &o.last) {
		o.t.Fatalf("sent %v seq %d, want nothing", o.last.TCP.Flags, o.last.TCP.Seq-testISS)
	}
}

// wait lets time pass, stopping at every deadline.
func (o *one) wait(d time.Duration) {
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
		if o.c.active != nil && (o.c.ack.due || o.c.snd.windowProbe || o.c.keepAliveDue || o.c.resetDue || o.c.timeouts > 0) {
			break // the test says what must be sent before more time passes
		}
	}
	o.now = end
}

func (o *one) state(want State) {
	o.t.Helper()
	if o.c.State() != want {
		o.t.Fatalf("state %v, want %v", o.c.State(), want)
	}
}

func (o *one) write(s string) {
	o.t.Helper()
	if n, err := o.c.Write(o.now, []byte(s)); n != len(s) || err != nil {
		o.t.Fatalf("Write: %d, %v", n, err)
	}
}

func (o *one) read(want string, wantErr error) {
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

// Shows: MUST-12, MUST-13, MUST-61.
func TestActiveOpenAndFourWayRelease(t *testing.T) {
	o := established(t, Config{})
	o.write("hello")
	o.want(segment{flags: ack, seq: 1, ack: 1, data: "hello"})
	if !o.last.TCP.Flags.Has(wire.PSH) {
		t.Error("no PSH on the last data (MUST-61)")
	}
	o.in(segment{flags: ack, seq: 1, ack: 6})
	if err := o.c.CloseWrite(); err != nil {
		t.Fatal(err)
	}
	o.state(FinWait1)
	o.want(segment{flags: fin, seq: 6, ack: 1})
	o.in(segment{flags: ack, seq: 1, ack: 7})
	o.state(FinWait2)
	o.in(segment{flags: ack, seq: 1, ack: 7, data: "rest"})
	o.in(segment{flags: fin, seq: 5, ack: 7})
	o.state(TimeWait)
	o.want(segment{flags: ack, seq: 7, ack: 6})
	o.read("rest", nil)
	o.read("", errEOF)
	r := o.c.TimeWait(o.now)
	if r.Expired(o.now.Add(59*time.Second)) || !r.Expired(o.now.Add(60*time.Second)) {
		t.Error("TIME-WAIT does not last 60 s")
	}
}

// Shows: MUST-12.
func TestPassiveRelease(t *testing.T) {
	o := established(t, Config{})
	o.in(segment{flags: fin, seq: 1, ack: 1, data: "bye"})
	o.state(CloseWait)
	o.want(segment{flags: ack, seq: 1, ack: 5})
	o.read("bye", nil)
	o.read("", errEOF)
	o.write("late") // half-close: our direction is open
	o.want(segment{flags: ack, seq: 1, ack: 5, data: "late"})
	o.c.Close(o.now, Linger{})
	o.state(LastAck)
	o.want(segment{flags: fin, seq: 5, ack: 5})
	o.in(segment{flags: ack, seq: 5, ack: 5}) // not of the FIN
	o.state(LastAck)
	o.in(segment{flags: ack, seq: 5, ack: 6})
	o.state(Closed)
	o.nothing()
	if o.c.Err() != nil {
		t.Errorf("graceful release ends with %v", o.c.Err())
	}
}

func TestSimultaneousClose(t *testing.T) {
	o := established(t, Config{})
	_ = o.c.CloseWrite()
	o.want(segment{flags: fin, seq: 1, ack: 1})
	o.in(segment{flags: fin, seq: 1, ack: 1})
	o.state(Closing)
	o.want(segment{flags: ack, seq: 2, ack: 2})
	o.in(segment{flags: ack, seq: 2, ack: 1})
	o.state(Closing)
	o.in(segment{flags: ack, seq: 2, ack: 2})
	o.state(TimeWait)
}

// The FIN may come before data that is missing, and counts when that has come.
//
// Shows: SHLD-31.
func TestFINOutOfOrder(t *testing.T) {
	o := established(t, Config{})
	if v := o.in(segment{flags: fin, seq: 4, ack: 1}); v != VerdictOutOfOrder {
		t.Errorf("verdict %v", v)
	}
	o.want(segment{flags: ack, seq: 1, ack: 1})
	o.state(Established)
	o.in(segment{flags: ack, seq: 1, ack: 1, data: "abc"})
	o.want(segment{flags: ack, seq: 1, ack: 5})
	o.state(CloseWait)
	o.read("abc", nil)
	o.read("", errEOF)
}

// Shows: MUST-19, MUST-20, SHLD-9, SHLD-10.
func TestRetransmissionBacksOffAndGivesUp(t *testing.T) {
	o := established(t, Config{R2: 100 * time.Second})
	o.now = o.now.Add(time.Second)
	o.write("x")
	o.want(segment{flags: ack, seq: 1, ack: 1, data: "x"})
	rto := o.c.Info(o.now).RTO
	start := o.now
	for i := range 5 {
		deadline := o.c.Deadline()
		if got, want := deadline.Sub(o.now), rto<<i; got != want {
			t.Fatalf("timeout %d after %v, want %v", i, got, want)
		}
		o.now = deadline
		o.c.Advance(o.now)
		o.want(segment{flags: ack, seq: 1, ack: 1, data: "x"})
		if o.last.Note != NoteRetransmission {
			t.Errorf("note %v", o.last.Note)
		}
		if trouble := o.c.Ready()&ReadyTrouble != 0; trouble != (i+1 >= 3) {
			t.Errorf("after %d retransmissions trouble is %v (R1 = 3)", i+1, trouble)
		}
		o.nothing()
	}
	for o.c.State() != Closed {
		o.now = o.c.Deadline()
		o.c.Advance(o.now)
		o.c.Transmit(o.now, 1, &o.last)
	}
	if o.c.Err() != ErrTimeout || o.now.Sub(start) != 100*time.Second {
		t.Errorf("gave up after %v with %v", o.now.Sub(start), o.c.Err())
	}
}

// A segment sent twice measures nothing (Karn).
//
// Shows: MUST-18.
func TestKarn(t *testing.T) {
	o := established(t, Config{})
	o.write("x")
	o.want(segment{flags: ack, seq: 1, ack: 1, data: "x"})
	before := o.c.Info(o.now).RTT
	o.now = o.c.Deadline()
	o.c.Advance(o.now)
	o.want(segment{flags: ack, seq: 1, ack: 1, data: "x"})
	o.now = o.now.Add(50 * time.Millisecond)
	o.in(segment{flags: ack, seq: 1, ack: 2})
	if got := o.c.Info(o.now).RTT; got != before {
		t.Errorf("RTT went from %v to %v", before, got)
	}
}

func TestFastRetransmitWithoutSACK(t *testing.T) {
	o := established(t, Config{})
	o.write(repeat(14600))
	for i := range 10 {
		o.want(segment{flags: ack, seq: 1 + 1460*int64(i), ack: 1, data: repeat(1460)})
	}
	o.nothing()
	// The first and the third are lost.
	for range 2 {
		o.in(segment{flags: ack, seq: 1, ack: 1})
		o.nothing()
	}
	o.in(segment{flags: ack, seq: 1, ack: 1})
	o.want(segment{flags: ack, seq: 1, ack: 1, data: repeat(1460)})
	if o.last.Note != NoteFastRetransmission {
		t.Errorf("note %v", o.last.Note)
	}
	o.nothing()
	for range 5 {
		o.in(segment{flags: ack, seq: 1, ack: 1})
	}
	o.nothing()
	o.in(segment{flags: ack, seq: 1, ack: 1 + 2*1460}) // partial
	o.want(segment{flags: ack, seq: 1 + 2*1460, ack: 1, data: repeat(1460)})
	o.nothing()
	o.in(segment{flags: ack, seq: 1, ack: 14601})
	if i := o.c.Info(o.now); i.SlowStartThreshold != 14600*7/10 || i.Timeouts != 0 || i.Retransmitted != 2 {
		t.Errorf("ssthresh %d, timeouts %d, retransmitted %d", i.SlowStartThreshold, i.Timeouts, i.Retransmitted)
	}
}

// Shows: MUST-40, SHLD-18, SHLD-19.
func TestDelayedACK(t *testing.T) {
	o := established(t, Config{})
	full := repeat(1460)
	o.in(segment{flags: ack, seq: 1, ack: 1, data: full})
	o.in(segment{flags: ack, seq: 1461, ack: 1, data: full})
	o.want(segment{flags: ack, seq: 1, ack: 2921}) // every second full segment
	o.in(segment{flags: ack, seq: 2921, ack: 1, data: full})
	o.nothing()
	o.wait(39 * time.Millisecond)
	o.nothing()
	o.wait(time.Millisecond)
	o.want(segment{flags: ack, seq: 1, ack: 4381})
	o.nothing()
}

// Nagle holds the second small segment; NoDelay does not.
//
// Shows: MUST-17, MUST-60, SHLD-7.
func TestNagle(t *testing.T) {
	o := established(t, Config{Nagle: Nagle})
	o.write("a")
	o.want(segment{flags: ack, seq: 1, ack: 1, data: "a"})
	o.write("b")
	o.write("c")
	o.nothing()
	o.in(segment{flags: ack, seq: 1, ack: 2})
	o.want(segment{flags: ack, seq: 2, ack: 1, data: "bc"})
	o.write("d")
	o.nothing()
	o.c.SetNagle(NoDelay)
	o.want(segment{flags: ack, seq: 4, ack: 1, data: "d"})
}

// Shows: MUST-36.
func TestZeroWindowProbe(t *testing.T) {
	o := established(t, Config{})
	o.in(segment{flags: ack, seq: 1, ack: 1, window: -1})
	o.write("hello")
	o.nothing()
	for range 4 {
		o.now = o.c.Deadline()
		o.c.Advance(o.now)
		o.want(segment{flags: ack, seq: 1, ack: 1, data: "h"})
		if o.last.Note != NoteWindowProbe {
			t.Errorf("note %v", o.last.Note)
		}
		o.in(segment{flags: ack, seq: 1, ack: 1, window: -1})
		o.nothing()
	}
	o.in(segment{flags: ack, seq: 1, ack: 2, window: 1000}) // the octet got in
	o.want(segment{flags: ack, seq: 2, ack: 1, data: "ello"})
}

// An ACK without data that begins before RCV.NXT counts while the peer's window has shrunk below SND.MAX, and only then: the
// peer numbers its segments from the edge of our window, which has shrunk below its own SND.MAX.
func TestBothWindowsShrank(t *testing.T) {
	for _, shrunk := range []bool{true, false} {
		o := established(t, Config{})
		o.write(string(make([]byte, 3*1460)))
		for o.c.Transmit(o.now, 1, &o.last) {
		}
		o.in(segment{flags: wire.ACK, seq: 1, ack: 1, data: "hello"})
		o.read("hello", nil)
		inFlight := int64(3 * 1460)
		if shrunk {
			o.in(segment{flags: wire.ACK, seq: 6, ack: 1461, window: 100})
			inFlight -= 1460
		}
		if got := o.c.Info(o.now).InFlight; got != inFlight {
			t.Fatalf("%d bytes in flight, want %d", got, inFlight)
		}
		if v := o.in(segment{flags: wire.ACK, seq: 3, ack: 3*1460 + 1}); v != VerdictDuplicate {
			t.Errorf("the verdict is %v", v)
		}
		if shrunk {
			inFlight = 0
		}
		if got := o.c.Info(o.now).InFlight; got != inFlight {
			t.Errorf("the window has shrunk: %v; %d bytes in flight after the ACK, want %d", shrunk, got, inFlight)
		}
	}
}

// Both ends probe each other's closed window, and both take the octet: what the peer sends is then one octet behind, but says
// that it took ours.
func TestCrossedProbes(t *testing.T) {
	o := established(t, Config{})
	o.in(segment{flags: ack, seq: 1, ack: 1, window: -1})
	o.write("hello")
	o.nothing()
	o.now = o.c.Deadline()
	o.c.Advance(o.now)
	o.want(segment{flags: ack, seq: 1, ack: 1, data: "h"})
	o.in(segment{flags: ack, seq: 1, ack: 1, data: "x", window: -1})
	o.c.Advance(o.c.Deadline()) // a delayed ACK
	o.want(segment{flags: ack, seq: 1, ack: 2})
	o.in(segment{flags: ack, seq: 1, ack: 2, window: 1000})
	if o.c.snd.una != 2 {
		t.Fatalf("SND.UNA %d, want 2", o.c.snd.una)
	}
	o.in(segment{flags: ack, seq: 2, ack: 2, window: 1000})
	o.want(segment{flags: ack, seq: 2, ack: 2, data: "ello"})
}

// The peer takes back a window it gave: what is out of it is neither sent nor timed out (SHLD-15 to SHLD-17).
//
// Shows: MUST-34, SHLD-16.
func TestShrunkWindow(t *testing.T) {
	o := established(t, Config{})
	o.write(repeat(4000))
	for _, n := range []int{1460, 1460, 1080} {
		o.want(segment{flags: ack, seq: int64(o.c.snd.nxt), ack: 1, data: repeat(n)})
	}
	o.in(segment{flags: ack, seq: 1, ack: 1461, window: 1000})
	o.now = o.c.Deadline()
	o.c.Advance(o.now)
	o.want(segment{flags: ack, seq: 1461, ack: 1, data: repeat(1000)})
	o.nothing()
}

// Shows: SHLD-2, MAY-12.
func TestResets(t *testing.T) {
	for _, c := range []struct {
		name  string
		in    segment
		want  Verdict
		state State
		sends bool
	}{
		{"exact RST", segment{flags: rst, seq: 1}, VerdictReset, Closed, false},
		{"RST in the window", segment{flags: rst, seq: 2}, VerdictChallenged, Established, true},
		{"RST outside", segment{flags: rst, seq: 70000}, VerdictOutOfWindow, Established, false},
		{"old RST", segment{flags: rst, seq: 0}, VerdictDuplicate, Established, false},
		{"RST with data", segment{flags: rst, seq: 1, data: "why"}, VerdictReset, Closed, false},
		{"SYN in the window", segment{flags: syn, seq: 1}, VerdictChallenged, Established, true},
		{"old SYN", segment{flags: syn, seq: 0}, VerdictDuplicate, Established, true},
		{"ACK of the future", segment{flags: ack, seq: 1, ack: 2}, VerdictBadACK, Established, true},
		{"ACK of long ago", segment{flags: ack, seq: 1, ack: -70000}, VerdictBadACK, Established, true},
		{"no ACK", segment{seq: 1, data: "x"}, VerdictBadACK, Established, false},
		{"right of the window", segment{flags: ack, seq: 70000, ack: 1, data: "x"}, VerdictOutOfWindow, Established, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			o := established(t, Config{})
			if v := o.in(c.in); v != c.want {
				t.Errorf("verdict %v, want %v", v, c.want)
			}
			o.state(c.state)
			if c.sends {
				o.want(segment{flags: ack, seq: 1, ack: 1})
			}
			o.nothing()
		})
	}
}

// Challenge ACKs are few (RFC 5961 7).
func TestChallengeLimit(t *testing.T) {
	o := established(t, Config{})
	n := 0
	for range 1000 {
		o.in(segment{flags: rst, seq: 2})
		for o.c.Transmit(o.now, 1, &o.last) {
			n++
		}
	}
	if n != challengeCount {
		t.Errorf("%d challenge ACKs at once, want %d", n, challengeCount)
	}
}

// Shows: SHLD-3, MAY-1.
func TestAbortAndClose(t *testing.T) {
	t.Run("abort", func(t *testing.T) {
		o := established(t, Config{})
		o.write("never sent")
		o.c.Abort()
		o.want(segment{flags: rst | ack, seq: 1, ack: 1})
		o.nothing()
		o.read("", ErrAborted)
	})
	t.Run("unread data", func(t *testing.T) {
		o := established(t, Config{})
		o.in(segment{flags: ack, seq: 1, ack: 1, data: "unread"})
		o.c.Close(o.now, Linger{})
		o.want(segment{flags: rst | ack, seq: 1, ack: 7})
		o.state(Closed)
	})
	t.Run("data after close", func(t *testing.T) {
		o := established(t, Config{})
		o.c.Close(o.now, Linger{})
		o.want(segment{flags: fin, seq: 1, ack: 1})
		if v := o.in(segment{flags: ack, seq: 1, ack: 2, data: "late"}); v != VerdictAfterClose {
			t.Errorf("verdict %v", v)
		}
		o.want(segment{flags: rst | ack, seq: 2, ack: 1})
	})
	t.Run("linger 0", func(t *testing.T) {
		o := established(t, Config{})
		o.c.Close(o.now, Linger{Set: true})
		o.want(segment{flags: rst | ack, seq: 1, ack: 1})
	})
	t.Run("linger 2s", func(t *testing.T) {
		o := established(t, Config{})
		o.in(segment{flags: ack, seq: 1, ack: 1, window: -1})
		o.write("stuck")
		o.c.Close(o.now, Linger{Set: true, Timeout: 2 * time.Second})
		o.nothing()
		end := o.now.Add(2 * time.Second)
		for o.c.State() != Closed && o.now < end {
			o.now = min(o.c.Deadline(), end)
			o.c.Advance(o.now)
			if o.c.State() != Closed {
				o.c.Transmit(o.now, 1, &o.last)
			}
		}
		// Not 2, which the probe reached: that is beyond the peer's window, and it would drop the RST.
		o.want(segment{flags: rst | ack, seq: 1, ack: 1})
		if o.c.Err() != ErrLingerTimeout {
			t.Errorf("err %v", o.c.Err())
		}
	})
	t.Run("FIN-WAIT-2 orphan", func(t *testing.T) {
		o := established(t, Config{})
		o.c.Close(o.now, Linger{})
		o.want(segment{flags: fin, seq: 1, ack: 1})
		o.in(segment{flags: ack, seq: 1, ack: 2})
		o.state(FinWait2)
		o.wait(59 * time.Second)
		o.state(FinWait2)
		o.wait(time.Second)
		o.state(Closed)
	})
	t.Run("half-closed is no orphan", func(t *testing.T) {
		o := established(t, Config{})
		_ = o.c.CloseWrite()
		o.want(segment{flags: fin, seq: 1, ack: 1})
		o.in(segment{flags: ack, seq: 1, ack: 2})
		o.wait(24 * time.Hour)
		o.state(FinWait2)
	})
}

// A closed application behind a closed window does not hold the connection for ever.
func TestOrphanBehindZeroWindowEnds(t *testing.T) {
	o := established(t, Config{R2: 100 * time.Second})
	o.in(segment{flags: ack, seq: 1, ack: 1, window: -1})
	o.write("stuck")
	o.nothing()
	o.c.Close(o.now, Linger{})
	start := o.now
	for o.c.State() != Closed && o.now.Sub(start) < time.Hour {
		o.now = o.c.Deadline()
		o.c.Advance(o.now)
		for o.c.Transmit(o.now, 1, &o.last) {
			o.in(segment{flags: ack, seq: 1, ack: 1, window: -1})
		}
	}
	if d := o.now.Sub(start); o.c.State() != Closed || d > 101*time.Second {
		t.Errorf("%v after %v", o.c.State(), d)
	}
}

// Shows: MUST-21.
func TestUserTimeout(t *testing.T) {
	o := established(t, Config{UserTimeout: 5 * time.Second})
	o.write("x")
	o.want(segment{flags: ack, seq: 1, ack: 1, data: "x"})
	start := o.now
	for o.c.State() != Closed {
		o.now = o.c.Deadline()
		o.c.Advance(o.now)
		o.c.Transmit(o.now, 1, &o.last)
	}
	if d := o.now.Sub(start); d != 5*time.Second || o.c.Err() != ErrTimeout {
		t.Errorf("%v after %v", o.c.Err(), d)
	}
}

// Shows: MUST-25, MUST-27, MUST-29, SHLD-12, MAY-5.
func TestKeepAlive(t *testing.T) {
	k := KeepAlive{Enable: true, Idle: time.Minute, Interval: 10 * time.Second, Count: 3}
	t.Run("answered", func(t *testing.T) {
		o := established(t, Config{KeepAlive: k})
		for range 3 {
			heard := o.now
			for o.now < heard.Add(k.Idle) { // the timer looks in between when the peer was heard
				o.nothing()
				o.now = o.c.Deadline()
				o.c.Advance(o.now)
			}
			o.want(segment{flags: ack, seq: 0, ack: 1}) // no data (SHLD-12)
			o.in(segment{flags: ack, seq: 1, ack: 1})
			o.nothing()
		}
		o.state(Established)
	})
	t.Run("dead", func(t *testing.T) {
		o := established(t, Config{KeepAlive: k})
		start := o.now
		for range 3 {
			o.now = o.c.Deadline()
			o.c.Advance(o.now)
			o.want(segment{flags: ack, seq: 0, ack: 1})
		}
		o.now = o.c.Deadline()
		o.c.Advance(o.now)
		o.want(segment{flags: rst | ack, seq: 1, ack: 1})
		if d := o.now.Sub(start); d != 90*time.Second || o.c.Err() != ErrTimeout {
			t.Errorf("%v after %v", o.c.Err(), d)
		}
	})
	t.Run("off by default", func(t *testing.T) {
		if d := established(t, Config{}).c.Deadline(); d != Never {
			t.Errorf("deadline %v (MUST-25)", d)
		}
	})
}

// Shows: MUST-30, MUST-32, MUST-33, MUST-62.
func TestUrgent(t *testing.T) {
	o := established(t, Config{})
	o.in(segment{flags: ack | wire.URG, seq: 1, ack: 1, data: "ab", urgent: 5})
	if n, ok := o.c.Urgent(); n != 5 || !ok || o.c.Ready()&ReadyUrgent == 0 {
		t.Errorf("urgent %d, %v", n, ok)
	}
	o.in(segment{flags: ack, seq: 3, ack: 1, data: "cdefg"})
	o.read("abcdefg", nil)
	if n, ok := o.c.Urgent(); n != 0 || ok {
		t.Errorf("after reading: urgent %d, %v", n, ok)
	}
	o.c.Transmit(o.now, 1, &o.last)
	if n, err := o.c.WriteUrgent(o.now, []byte("now")); n != 3 || err != nil {
		t.Fatal(n, err)
	}
	o.write("later")
	o.want(segment{flags: ack | wire.URG, seq: 1, ack: 8, data: "nowlater"})
	if o.last.TCP.Urgent != 3 {
		t.Errorf("pointer %d, want 3 (MUST-62)", o.last.TCP.Urgent)
	}
}

// Shows: MUST-47, MUST-56, SHLD-25, SHLD-26.
func TestICMP(t *testing.T) {
	inFlight := func(t *testing.T) *one {
		o := established(t, Config{})
		o.write(repeat(1460))
		o.want(segment{flags: ack, seq: 1, ack: 1, data: repeat(1460)})
		return o
	}
	t.Run("hard, while opening", func(t *testing.T) {
		o := dialOne(t, Config{})
		o.want(segment{flags: syn})
		o.c.ReceiveICMP(o.now, ICMPError{Kind: ICMPHard, Err: ErrRefused, Seq: testISS})
		o.state(Closed)
		o.read("", ErrRefused)
	})
	t.Run("hard, SYNs crossed", func(t *testing.T) {
		o := dialOne(t, Config{})
		o.want(segment{flags: syn})
		o.in(segment{flags: syn})
		o.want(segment{flags: syn | ack, ack: 1})
		o.c.ReceiveICMP(o.now, ICMPError{Kind: ICMPHard, Err: ErrRefused, Seq: testISS})
		o.state(Closed)
	})
	t.Run("hard, synchronized", func(t *testing.T) {
		o := inFlight(t)
		wantAlive := func(s State) {
			t.Helper()
			for at := range uint32(1461) {
				o.c.ReceiveICMP(o.now, ICMPError{Kind: ICMPHard, Err: ErrRefused, Seq: testISS + 1 + at})
			}
			o.state(s)
			if err := o.c.Info(o.now).SoftError; err != ErrRefused {
				t.Errorf("%v: soft error %v, want %v", s, err, ErrRefused)
			}
		}
		wantAlive(Established)
		_ = o.c.CloseWrite()
		o.want(segment{flags: fin, seq: 1461, ack: 1})
		wantAlive(FinWait1)
		o.in(segment{flags: fin, seq: 1, ack: 1})
		wantAlive(Closing)
	})
	t.Run("hard, forged", func(t *testing.T) {
		o := inFlight(t)
		o.c.ReceiveICMP(o.now, ICMPError{Kind: ICMPHard, Err: ErrRefused, Seq: 4744})
		o.state(Established)
	})
	t.Run("soft", func(t *testing.T) {
		o := inFlight(t)
		o.c.ReceiveICMP(o.now, ICMPError{Kind: ICMPSoft, Err: ErrHostUnreachable, Seq: testISS + 1})
		o.state(Established)
		if err := o.c.Info(o.now).SoftError; err != ErrHostUnreachable {
			t.Errorf("soft error %v (SHLD-25)", err)
		}
	})
	t.Run("soft, while opening", func(t *testing.T) {
		o := dialOne(t, Config{})
		o.want(segment{flags: wire.SYN})
		o.c.ReceiveICMP(o.now, ICMPError{Kind: ICMPSoft, Err: ErrHostUnreachable, Seq: testISS})
		o.state(Closed)
		o.read("", ErrHostUnreachable)
	})
	t.Run("too big", func(t *testing.T) {
		o := inFlight(t)
		o.c.ReceiveICMP(o.now, ICMPError{Kind: ICMPTooBig, MTU: 1000, Seq: testISS + 1})
		o.want(segment{flags: ack, seq: 1, ack: 1, data: repeat(960)})
		o.want(segment{flags: ack, seq: 961, ack: 1, data: repeat(500)})
		if o.last.MayFragment {
			t.Error("routers may fragment")
		}
		o.nothing()
	})
	t.Run("smaller than the minimum", func(t *testing.T) {
		o := inFlight(t)
		tooBig := func(mtu int) {
			o.c.ReceiveICMP(o.now, ICMPError{Kind: ICMPTooBig, MTU: mtu, Seq: testISS + 1})
		}
		tooBig(552)
		for at := int64(1); at < 1461; at += 512 {
			o.want(segment{flags: ack, seq: at, ack: 1, data: repeat(int(min(512, 1461-at)))})
			if o.last.MayFragment {
				t.Error("MTU 552: routers may fragment")
			}
		}
		tooBig(296)
		tooBig(296) // changes nothing
		for at := int64(1); at < 1461; at += 512 {
			o.want(segment{flags: ack, seq: at, ack: 1, data: repeat(int(min(512, 1461-at)))})
			if !o.last.MayFragment {
				t.Error("MTU 296: routers may not fragment")
			}
		}
		o.nothing()
		tooBig(68)
		o.nothing()
	})
	t.Run("smaller than the minimum, IPv6", func(t *testing.T) {
		open := testOpen()
		open.IPHeader = 40
		o := newOne(t, Config{})
		o.c = Dial(o.now, &o.cfg, open)
		o.want(segment{flags: syn})
		o.in(segment{flags: syn | ack, ack: 1, options: wire.Options{MSS: 1440}})
		o.want(segment{flags: ack, seq: 1, ack: 1})
		o.write(repeat(1440))
		o.want(segment{flags: ack, seq: 1, ack: 1, data: repeat(1440)})
		for _, mtu := range []int{0, 68, 1279} {
			o.c.ReceiveICMP(o.now, ICMPError{Kind: ICMPTooBig, MTU: mtu, Seq: testISS + 1})
			o.nothing()
		}
		if mtu := o.c.Info(o.now).PathMTU; mtu != 1500 {
			t.Errorf("path MTU %d, want 1500", mtu)
		}
	})
}

// Shows: SHLD-31, MAY-13.
func TestSACKBlocks(t *testing.T) {
	o := newOne(t, Config{MaxRTO: 60 * time.Second, Timestamps: Disabled})
	o.c = Dial(o.now, &o.cfg, testOpen())
	o.c.Transmit(o.now, 1, &o.last)
	o.in(segment{flags: syn | ack, ack: 1, options: wire.Options{MSS: 1460, SACKPermitted: true}})
	o.want(segment{flags: ack, seq: 1, ack: 1})
	blocks := func(want ...int64) {
		t.Helper()
		o.want(segment{flags: ack, seq: 1, ack: 1})
		var got []int64
		for _, s := range o.last.TCP.Options.SACK[:o.last.TCP.Options.SACKCount] {
			got = append(got, int64(s.Left-uint32(testIRS)), int64(s.Right-uint32(testIRS)))
		}
		if fmt.Sprint(got) != fmt.Sprint(want) {
			t.Fatalf("SACK %v, want %v", got, want)
		}
	}
	o.in(segment{flags: ack, seq: 11, ack: 1, data: repeat(10)})
	blocks(11, 21)
	o.in(segment{flags: ack, seq: 31, ack: 1, data: repeat(10)})
	blocks(31, 41, 11, 21)
	o.in(segment{flags: ack, seq: 51, ack: 1, data: repeat(10)})
	blocks(51, 61, 31, 41, 11, 21)
	o.in(segment{flags: ack, seq: 21, ack: 1, data: repeat(10)})
	blocks(11, 41, 51, 61)
}

func TestPAWS(t *testing.T) {
	o := newOne(t, Config{MaxRTO: 60 * time.Second})
	o.c = Dial(o.now, &o.cfg, testOpen())
	o.c.Transmit(o.now, 1, &o.last)
	ts := func(v uint32) wire.Options { return wire.Options{HasTimestamps: true, TSVal: v, TSEcr: 2000} }
	first := ts(100)
	first.MSS = 1460
	o.in(segment{flags: syn | ack, ack: 1, options: first})
	o.want(segment{flags: ack, seq: 1, ack: 1})
	o.in(segment{flags: ack, seq: 1, ack: 1, data: "new", options: ts(200)})
	if v := o.in(segment{flags: ack, seq: 4, ack: 1, data: "old", options: ts(150)}); v != VerdictOldTimestamp {
		t.Errorf("verdict %v", v)
	}
	o.want(segment{flags: ack, seq: 1, ack: 4})
	if o.last.TCP.Options.TSEcr != 200 {
		t.Errorf("TSEcr is %d, want 200", o.last.TCP.Options.TSEcr)
	}
	o.read("new", nil)
}

// TestTimestampsMissing sends segments without the timestamps that both ends agreed on. They are accepted, and leave
// TS.Recent as it is.
func TestTimestampsMissing(t *testing.T) {
	ts := wire.Options{HasTimestamps: true, TSVal: 100, TSEcr: 2000}
	open := func(t *testing.T) *one {
		o := newOne(t, Config{MaxRTO: 60 * time.Second})
		o.c = Dial(o.now, &o.cfg, testOpen())
		o.c.Transmit(o.now, 1, &o.last)
		first := ts
		first.MSS = 1460
		o.in(segment{flags: syn | ack, ack: 1, options: first})
		o.want(segment{flags: ack, seq: 1, ack: 1})
		return o
	}
	wantEcho := func(t *testing.T, o *one) {
		t.Helper()
		if h := o.last.TCP.Options; !h.HasTimestamps || h.TSEcr != 100 {
			t.Errorf("options %+v, want timestamps with TSEcr 100", h)
		}
	}
	t.Run("data and FIN", func(t *testing.T) {
		o := open(t)
		if v := o.in(segment{flags: ack, seq: 1, ack: 1, data: "data"}); v != VerdictAccepted {
			t.Errorf("data: verdict %v", v)
		}
		if v := o.in(segment{flags: fin, seq: 5, ack: 1}); v != VerdictAccepted {
			t.Errorf("FIN: verdict %v", v)
		}
		o.want(segment{flags: ack, seq: 1, ack: 6})
		wantEcho(t, o)
		o.read("data", nil)
		o.read("", io.EOF)
	})
	t.Run("superframe", func(t *testing.T) {
		o := open(t)
		v := o.c.Receive(o.now, &Segment{TCP: wire.TCP{Seq: testIRS + 1, Ack: testISS + 1, Flags: ack, Window: 65535},
			Data: make([]byte, 4000), SegmentSize: 1000})
		if v != VerdictAccepted {
			t.Errorf("verdict %v", v)
		}
		o.want(segment{flags: ack, seq: 1, ack: 4001})
		wantEcho(t, o)
	})
	t.Run("ACK of data", func(t *testing.T) {
		o := open(t)
		o.write("data")
		o.want(segment{flags: ack, seq: 1, ack: 1, data: "data"})
		o.now = o.now.Add(50 * time.Millisecond)
		if v := o.in(segment{flags: ack, seq: 1, ack: 5}); v != VerdictAccepted {
			t.Errorf("verdict %v", v)
		}
		if got := o.c.Info(o.now); got.InFlight != 0 || got.RTT == 0 {
			t.Errorf("in flight %d, RTT %v; want 0 and a measured RTT", got.InFlight, got.RTT)
		}
	})
	t.Run("duplicate", func(t *testing.T) {
		o := open(t)
		o.in(segment{flags: ack, seq: 1, ack: 1, data: "data"})
		o.wait(40 * time.Millisecond)
		o.want(segment{flags: ack, seq: 1, ack: 5})
		if v := o.in(segment{flags: ack, seq: 1, ack: 1, data: "data"}); v != VerdictDuplicate {
			t.Errorf("verdict %v", v)
		}
		o.want(segment{flags: ack, seq: 1, ack: 5})
	})
	t.Run("answer to our keep-alive", func(t *testing.T) {
		o := open(t)
		o.c.SetKeepAlive(o.now, KeepAlive{Enable: true, Idle: time.Minute, Interval: time.Second, Count: 2})
		for range 5 {
			o.wait(time.Minute)
			o.want(segment{flags: ack, seq: 0, ack: 1})
			o.in(segment{flags: ack, seq: 1, ack: 1})
		}
		o.state(Established)
	})
	t.Run("after the FINs", func(t *testing.T) {
		o := open(t)
		_ = o.c.CloseWrite()
		o.want(segment{flags: fin, seq: 1, ack: 1})
		o.in(segment{flags: ack, seq: 1, ack: 2})
		o.state(FinWait2)
		o.in(segment{flags: fin, seq: 1, ack: 2})
		o.state(TimeWait)
		o.want(segment{flags: ack, seq: 2, ack: 2})
		r := o.c.TimeWait(o.now)
		fin := Segment{TCP: wire.TCP{Seq: testIRS + 1, Ack: testISS + 2, Flags: fin}}
		if v := r.Receive(o.now, &fin); v != VerdictDuplicate || !r.Transmit(o.now, 1, &o.last) {
			t.Errorf("the FIN again: verdict %v, want an ACK", v)
		}
	})
}

// Shows: MAY-2.
func TestTimeWaitConn(t *testing.T) {
	remnant := func() (*one, *TimeWaitConn) {
		o := established(t, Config{})
		_ = o.c.CloseWrite()
		o.want(segment{flags: fin, seq: 1, ack: 1})
		o.in(segment{flags: fin, seq: 1, ack: 2})
		o.want(segment{flags: ack, seq: 2, ack: 2})
		return o, o.c.TimeWait(o.now)
	}
	receive := func(o *one, r *TimeWaitConn, f wire.Flags, at, ack uint32) Verdict {
		return r.Receive(o.now, &Segment{TCP: wire.TCP{Flags: f, Seq: testIRS + at, Ack: testISS + ack}})
	}
	o, r := remnant()
	if v := receive(o, r, rst, 2, 0); v != VerdictIgnored || r.Expired(o.now.Add(59*time.Second)) {
		t.Errorf("RST: %v: TIME-WAIT assassinated (RFC 1337)", v)
	}
	o.now = o.now.Add(30 * time.Second)
	if v := receive(o, r, fin, 1, 2); v != VerdictDuplicate || r.Expired(o.now.Add(59*time.Second)) {
		t.Errorf("FIN again: %v, or the timer did not start anew", v)
	}
	if !r.Transmit(o.now, 1, &o.last) || o.last.TCP.Ack != testIRS+2 || o.last.TCP.Seq != testISS+2 {
		t.Error("FIN again is not acknowledged")
	}
	if v := receive(o, r, syn, 1, 0); v == VerdictReopen {
		t.Error("an old SYN reopens")
	}
	if v := receive(o, r, syn, 2, 0); v != VerdictReopen {
		t.Errorf("a new SYN: %v", v)
	}
	if iss := r.ISN(testISS); seq.Less(iss, testISS+2) {
		t.Errorf("ISN %d would reuse numbers", iss)
	}
}

func TestReset(t *testing.T) {
	var out Outgoing
	for _, c := range []struct {
		in   wire.TCP
		n    int
		want wire.TCP
		ok   bool
	}{
		{wire.TCP{Flags: wire.RST}, 0, wire.TCP{}, false},
		{wire.TCP{Flags: wire.ACK, Seq: 5, Ack: 9}, 3, wire.TCP{Flags: wire.RST, Seq: 9}, true},
		{wire.TCP{Flags: wire.SYN, Seq: 5}, 0, wire.TCP{Flags: wire.RST | wire.ACK, Ack: 6}, true},
		{wire.TCP{Flags: wire.FIN, Seq: 5}, 3, wire.TCP{Flags: wire.RST | wire.ACK, Ack: 9}, true},
	} {
		if ok := Reset(&c.in, c.n, &out); ok != c.ok || ok && out.TCP != c.want {
			t.Errorf("Reset(%+v, %d) = %+v, %v", c.in, c.n, out.TCP, ok)
		}
	}
}

// Shows: MUST-8, MUST-9, SHLD-1.
func TestISN(t *testing.T) {
	secret := [32]byte{1}
	a, b := addr("10.77.0.1:1"), addr("10.77.0.2:2")
	iss, ts := seq.ISN(0, &secret, a, b)
	later, ts2 := seq.ISN(Time(4*time.Second), &secret, a, b)
	if later-iss != 1e6 || ts != ts2 {
		t.Errorf("after 4 s the ISN has moved by %d, want 1000000; timestamps by %d", later-iss, ts2-ts)
	}
	if other, _ := seq.ISN(0, &secret, a, addr("10.77.0.2:3")); other == iss {
		t.Error("another port has the same ISN")
	}
	secret[0]++
	if other, _ := seq.ISN(0, &secret, a, b); other == iss {
		t.Error("another secret gives the same ISN")
	}
}

// Sending and receiving in steady state allocate nothing.
func TestNoAllocationPerSegment(t *testing.T) {
	pages := &recycler{}
	o := established(t, Config{Pool: pages})
	buf := []byte(repeat(1460))
	at := uint32(1)
	var out Outgoing
	seg := Segment{TCP: wire.TCP{Flags: ack, Window: 65535}, Data: buf}
	round := func() {
		seg.TCP.Seq, seg.TCP.Ack = testIRS+at, testISS+at
		o.c.Receive(o.now, &seg)
		if n, err := o.c.Read(buf); n != 1460 || err != nil {
			t.Fatal(n, err)
		}
		if n, err := o.c.Write(o.now, buf); n != 1460 || err != nil {
			t.Fatal(n, err)
		}
		for o.c.Transmit(o.now, 1, &out) {
		}
		o.c.Deadline()
		o.c.Ready()
		at += 1460
	}
	for range 100 {
		round()
	}
	if n := testing.AllocsPerRun(1000, round); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

type recycler struct{ free []*buffer.Page }

func (r *recycler) Get(size int) *buffer.Page { // which is small
	if n := len(r.free); n > 0 {
		p := r.free[n-1]
		r.free = r.free[:n-1]
		return p
	}
	return buffer.NewPage(size)
}
func (r *recycler) Put(p *buffer.Page) { r.free = append(r.free, p) }
func (*recycler) Charge(int)           {}
