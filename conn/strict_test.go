package conn

import (
	"testing"
	"time"

	"minitcp/conn/wire"
)

// Rules that are easily broken in a corner where transfers still work.

// TestHandshakeWithoutTimestamps completes a handshake whose final ACK lacks the timestamps that both ends agreed on, as
// clients with old kernels behind a firewall send it.
func TestHandshakeWithoutTimestamps(t *testing.T) {
	cfg := Config{}.WithDefaults()
	syn := wire.TCP{Seq: testIRS, Flags: wire.SYN, Window: 1000, Options: wire.Options{HasTimestamps: true, TSVal: 5}}
	e := NewHandshake(0, &cfg, testOpen(), &syn)
	var out Outgoing
	e.Transmit(0, 1, &out)
	s := Segment{TCP: wire.TCP{Seq: testIRS + 1, Ack: testISS + 1, Flags: ack}}
	if v := e.Receive(0, &s); v != VerdictAccepted || e.State() != HandshakeReady {
		t.Fatalf("verdict %v, state %d", v, e.State())
	}
	c := e.Establish(0)
	if c.Deadline() == Never {
		t.Error("no timer runs in SYN-RECEIVED")
	}
	if v := c.Receive(0, &s); v != VerdictAccepted || c.State() != Established {
		t.Errorf("%v, %v", v, c.State())
	}
}

// A Handshake that was ready, and not made a connection for lack of room, is judged by its next segment alone.
func TestHandshakeNotTaken(t *testing.T) {
	cfg := Config{}.WithDefaults()
	e := NewHandshake(0, &cfg, testOpen(), &wire.TCP{Seq: testIRS, Flags: syn, Window: 1000})
	var out Outgoing
	e.Transmit(0, 1, &out)
	s := Segment{TCP: wire.TCP{Seq: testIRS + 1, Ack: testISS + 1, Flags: ack}}
	if e.Receive(0, &s); e.State() != HandshakeReady {
		t.Fatal(e.State())
	}
	bad := s
	bad.TCP.Ack++
	if v := e.Receive(0, &bad); v != VerdictBadACK || e.State() != HandshakeWaiting {
		t.Errorf("a bad ACK: %v, state %d", v, e.State())
	}
	if e.Receive(0, &s); e.State() != HandshakeReady {
		t.Error("the right ACK again is not accepted")
	}
}

// An ACK older than SND.UNA says nothing about the window of today (RFC 9293 3.10.7.4: SND.UNA =< SEG.ACK).
func TestWindowOfOldACK(t *testing.T) {
	o := established(t, Config{})
	o.write(repeat(1000))
	o.want(segment{flags: ack, seq: 1, ack: 1, data: repeat(1000)})
	o.in(segment{flags: ack, seq: 1, ack: 1001, window: 500})
	o.in(segment{flags: ack, seq: 9, ack: 501, window: 3000, data: "late"})
	if i := o.c.Info(o.now); i.SendWindow != 500 {
		t.Errorf("window %d, want 500", i.SendWindow)
	}
	o.in(segment{flags: ack, seq: 1, ack: 1001, window: 400}) // older by its number
	if i := o.c.Info(o.now); i.SendWindow != 400 {
		t.Errorf("window %d, want 400: SND.WL1 moved with a segment that was not to count", i.SendWindow)
	}
}

// The window of a SYN-ACK is not scaled, in a simultaneous open either (RFC 7323 2.2).
func TestSimultaneousOpenWindow(t *testing.T) {
	o := newOne(t, Config{MaxRTO: time.Minute, Timestamps: Disabled})
	o.c = Dial(o.now, &o.cfg, testOpen())
	o.want(segment{flags: syn})
	options := wire.Options{MSS: 1460, HasWindowScale: true, WindowScale: 7}
	o.in(segment{flags: syn, options: options, window: 1000})
	o.state(SynReceived)
	o.want(segment{flags: syn | ack, ack: 1})
	o.in(segment{flags: syn | ack, ack: 1, options: options, window: 1000})
	o.state(Established)
	if i := o.c.Info(o.now); i.SendWindow != 1000 {
		t.Errorf("window %d, want 1000", i.SendWindow)
	}
	o.in(segment{flags: ack, seq: 1, ack: 1, window: 1000})
	if i := o.c.Info(o.now); i.SendWindow != 128000 {
		t.Errorf("window %d, want 128000", i.SendWindow)
	}
}

// A segment that was thought of but not sent has told the peer nothing: while own data is held back, the window is
// announced as always.
func TestWindowUpdateWhileDataIsHeldBack(t *testing.T) {
	o := established(t, Config{ReceiveBuffer: 8192})
	o.in(segment{flags: ack, seq: 1, ack: 1, window: -1})
	o.write("held back")
	o.nothing()
	var window uint16 // the last one sent
	drain := func() (n int) {
		for ; o.c.Transmit(o.now, 1, &o.last); n++ {
			window = o.last.TCP.Window
		}
		return n
	}
	for at := int64(1); at < 8193; at += 1024 {
		o.in(segment{flags: ack, seq: at, ack: 1, data: repeat(1024), window: -1})
		drain()
	}
	if window != 0 {
		t.Fatalf("window %d, want it closed", window)
	}
	b := make([]byte, 1500)
	updates := 0
	for range 5 {
		n, _ := o.c.Read(b)
		if n != len(b) {
			t.Fatal(n)
		}
		updates += drain()
	}
	if updates != 3 || window < 6000 {
		t.Errorf("%d window updates, the last %d; want the first useful one, then one for each quarter", updates, window)
	}
}

// A scaled window cannot say every size. Rounding it must not stretch the buffer, however small the segments.
func TestTinySegmentsDoNotStretchTheWindow(t *testing.T) {
	o := newOne(t, Config{MaxRTO: time.Minute, Timestamps: Disabled, SACK: Disabled, ReceiveBuffer: 4096})
	o.c = Dial(o.now, &o.cfg, testOpen())
	o.want(segment{flags: syn})
	o.in(segment{flags: syn | ack, ack: 1, options: wire.Options{HasWindowScale: true}})
	o.want(segment{flags: ack, seq: 1, ack: 1})
	for at := int64(1); at < 20_000; at++ {
		o.in(segment{flags: ack, seq: at, ack: 1, data: "x"})
		o.c.acknowledgeNow(NoteNone)
		for o.c.Transmit(o.now, 1, &o.last) {
		}
	}
	if i := o.c.Info(o.now); i.Unread != 4096 {
		t.Errorf("%d octets held, the buffer is 4096", i.Unread)
	}
}

// Two ends that each think the other's timestamps old must not answer each other for ever; data is always answered.
func TestAnswersToOldTimestampsAreFew(t *testing.T) {
	o := timestamped(t)
	count := func(s segment) (n int) {
		for range 1000 {
			if v := o.in(s); v != VerdictOldTimestamp {
				t.Fatal(v)
			}
			for o.c.Transmit(o.now, 1, &o.last) {
				n++
			}
		}
		return n
	}
	old := wire.Options{HasTimestamps: true, TSVal: 50}
	if n := count(segment{flags: ack, seq: 1, ack: 1, options: old}); n != challengeCount {
		t.Errorf("%d answers to ACKs, want %d", n, challengeCount)
	}
	if n := count(segment{flags: ack, seq: 1, ack: 1, options: old, data: "x"}); n != 1000 {
		t.Errorf("%d answers to data, want 1000", n)
	}
}

// timestamped is a connection in ESTABLISHED with TS.Recent 100.
func timestamped(t *testing.T) *one {
	o := newOne(t, Config{MaxRTO: time.Minute, SACK: Disabled, WindowScale: Disabled})
	o.c = Dial(o.now, &o.cfg, testOpen())
	o.want(segment{flags: syn})
	o.in(segment{flags: syn | ack, ack: 1, options: wire.Options{MSS: 1460, HasTimestamps: true, TSVal: 100}})
	o.want(segment{flags: ack, seq: 1, ack: 1})
	return o
}

// After 24 days without a segment TS.Recent is forgotten, and the next one replaces it (RFC 7323 5.5).
func TestTimestampTooOldToCompare(t *testing.T) {
	o := timestamped(t)
	o.now = o.now.Add(25 * 24 * time.Hour)
	const later uint32 = 100 + 25*24*3600*1000&0xffffffff // the peer's clock has run half around
	o.in(segment{flags: ack, seq: 1, ack: 1, data: "x", options: wire.Options{HasTimestamps: true, TSVal: later}})
	if c := o.c; c.tsRecent != later || c.tsRecentAt != o.now {
		t.Errorf("TS.Recent %d, want %d", c.tsRecent, later)
	}
	if v := o.in(segment{flags: ack, seq: 2, ack: 1, options: wire.Options{HasTimestamps: true, TSVal: later - 1}}); v != VerdictOldTimestamp {
		t.Errorf("PAWS has not begun again: %v", v)
	}
}

// A SYN that was lost leaves a timeout of 3 s (RFC 6298 5.7) and a window of one segment (RFC 5681 3.1), and fast
// retransmission works from the first octet on.
func TestLostSYN(t *testing.T) {
	o := dialOne(t, Config{})
	o.want(segment{flags: syn})
	o.now = o.c.Deadline()
	o.c.Advance(o.now)
	o.want(segment{flags: syn})
	o.in(segment{flags: syn | ack, ack: 1, options: wire.Options{MSS: 1000}})
	o.want(segment{flags: ack, seq: 1, ack: 1})
	if i := o.c.Info(o.now); i.RTO != 3*time.Second || i.CongestionWindow != 1000 {
		t.Errorf("RTO %v, window %d", i.RTO, i.CongestionWindow)
	}
	o.write(repeat(1000))
	o.want(segment{flags: ack, seq: 1, ack: 1, data: repeat(1000)})
	if d := o.c.Deadline().Sub(o.now); d != 3*time.Second {
		t.Errorf("data times out after %v", d)
	}
	for range 3 {
		o.in(segment{flags: ack, seq: 1, ack: 1})
	}
	o.want(segment{flags: ack, seq: 1, ack: 1, data: repeat(1000)})
}

// A stream that goes on after its FIN contradicts itself: the FIN does not count.
func TestDataBeyondFIN(t *testing.T) {
	o := established(t, Config{})
	o.in(segment{flags: ack, seq: 11, ack: 1, data: "beyond"})
	o.in(segment{flags: fin, seq: 4, ack: 1})
	o.in(segment{flags: ack, seq: 1, ack: 1, data: "abc"})
	o.state(Established)
	o.in(segment{flags: ack, seq: 4, ack: 1, data: "defghij"})
	o.in(segment{flags: fin, seq: 17, ack: 1})
	o.state(CloseWait)
	o.read("abcdefghijbeyond", nil)
	o.read("", errEOF)
}

// TestUnacceptableAnswersAreLimited repeats an unacceptable segment and counts the ACKs in answer: ten in five seconds for
// segments without data, FINs included, and a thousand for segments with data.
func TestUnacceptableAnswersAreLimited(t *testing.T) {
	type machine interface {
		Receive(now Time, s *Segment) Verdict
		Transmit(now Time, limit int, out *Outgoing) bool
	}
	relative := func(f wire.Flags, at, ack uint32, data string) *Segment {
		return &Segment{TCP: wire.TCP{Flags: f, Seq: testIRS + at, Ack: testISS + ack, Window: 65535}, Data: []byte(data)}
	}
	afterData := func(t *testing.T) machine {
		o := established(t, Config{})
		o.in(segment{flags: ack, seq: 1, ack: 1, data: "abc"})
		o.c.acknowledgeNow(NoteNone)
		o.want(segment{flags: ack, seq: 1, ack: 4})
		return o.c
	}
	crossed := func(t *testing.T) machine {
		o := dialOne(t, Config{})
		o.want(segment{flags: syn})
		o.in(segment{flags: syn})
		o.want(segment{flags: syn | ack, ack: 1})
		return o.c
	}
	handshake := func(t *testing.T) machine {
		o := newOne(t, Config{})
		e := NewHandshake(o.now, &o.cfg, testOpen(), &wire.TCP{Seq: testIRS, Flags: syn, Window: 1000})
		e.Transmit(o.now, 1, &o.last)
		return e
	}
	remnant := func(t *testing.T) machine {
		o := established(t, Config{})
		_ = o.c.CloseWrite()
		o.want(segment{flags: fin, seq: 1, ack: 1})
		o.in(segment{flags: fin, seq: 1, ack: 2})
		o.want(segment{flags: ack, seq: 2, ack: 2})
		return o.c.TimeWait(o.now)
	}
	for _, c := range []struct {
		name string
		make func(t *testing.T) machine
		in   *Segment
		want int
	}{
		{"data again", afterData, relative(ack, 1, 1, "abc"), duplicateCount},
		{"data and FIN outside the window", afterData, relative(fin, 90000, 1, "abc"), duplicateCount},
		{"FIN outside the window", afterData, relative(fin, 90000, 1, ""), challengeCount},
		{"early FIN", afterData, relative(fin, 9, 1, ""), challengeCount},
		{"empty segment outside the window", afterData, relative(ack, 0, 1, ""), challengeCount},
		{"SYN-RECEIVED, the SYN again", crossed, relative(syn, 0, 0, ""), challengeCount},
		{"Handshake, the SYN again", handshake, relative(syn, 0, 0, ""), challengeCount},
		{"Handshake, FIN outside the window", handshake, relative(fin, 90000, 1, ""), challengeCount},
		{"TIME-WAIT, the FIN again", remnant, relative(fin, 1, 2, ""), challengeCount},
		{"TIME-WAIT, data", remnant, relative(ack, 1, 2, "abc"), challengeCount},
	} {
		t.Run(c.name, func(t *testing.T) {
			m, now := c.make(t), Time(2e9)
			var out Outgoing
			for range 2 {
				sent := 0
				for range 3 * duplicateCount / 2 {
					m.Receive(now, c.in)
					for m.Transmit(now, 1, &out) {
						sent++
					}
				}
				if sent != c.want {
					t.Errorf("%d answers, want %d", sent, c.want)
				}
				now = now.Add(challengeInterval)
			}
		})
	}
}

// A RST is never answered, in SYN-SENT not even one that acknowledges what was never sent (RFC 9293 3.10.7.3).
func TestResetsInSynSent(t *testing.T) {
	for _, c := range []struct {
		in    segment
		want  Verdict
		state State
		sends bool
	}{
		{segment{flags: rst | ack, ack: 2}, VerdictBadACK, SynSent, false},
		{segment{flags: rst}, VerdictIgnored, SynSent, false},
		{segment{flags: rst | ack, ack: 1}, VerdictReset, Closed, false},
		{segment{flags: ack, ack: 2}, VerdictBadACK, SynSent, true},
		{segment{flags: syn | ack, ack: 0}, VerdictBadACK, SynSent, true},
		{segment{flags: ack, ack: 1}, VerdictIgnored, SynSent, false},
	} {
		o := dialOne(t, Config{})
		o.want(segment{flags: syn})
		if v := o.in(c.in); v != c.want {
			t.Errorf("%v ack %d: %v, want %v", c.in.flags, c.in.ack, v, c.want)
		}
		o.state(c.state)
		if c.sends {
			o.want(segment{flags: rst, seq: c.in.ack})
			o.want(segment{flags: syn}) // see repeatSYN
		}
		o.nothing()
	}
}
