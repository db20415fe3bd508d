package conn

import (
	"testing"
	"time"

	"minitcp/conn/wire"
)

// Rules that are easily broken in a corner where transfers still work.

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
	if n := count(segment{flags: ack, seq: 1, ack: 1, options: old}); n != 10 {
		t.Errorf("%d answers to ACKs, want 10", n)
	}
	if n := count(segment{flags: ack, seq: 1, ack: 1, options: old, data: "x"}); n != 1000 {
		t.Errorf("%d answers to data, want 1000", n)
	}
}

// TestUnacceptableAnswersAreLimited repeats an unacceptable segment and counts the ACKs in answer: ten in five seconds
// for segments without data, FINs included, and a thousand for segments with data.
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
		o := dialEndpoint(t, Config{})
		o.want(segment{flags: syn})
		o.in(segment{flags: syn})
		o.want(segment{flags: syn | ack, ack: 1})
		return o.c
	}
	handshake := func(t *testing.T) machine {
		o := newEndpoint(t, Config{})
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
		{"data again", afterData, relative(ack, 1, 1, "abc"), 1000},
		{"data and FIN outside the window", afterData, relative(fin, 90000, 1, "abc"), 1000},
		{"FIN outside the window", afterData, relative(fin, 90000, 1, ""), 10},
		{"early FIN", afterData, relative(fin, 9, 1, ""), 10},
		{"empty segment outside the window", afterData, relative(ack, 0, 1, ""), 10},
		{"SYN-RECEIVED, the SYN again", crossed, relative(syn, 0, 0, ""), 10},
		{"Handshake, the SYN again", handshake, relative(syn, 0, 0, ""), 10},
		{"Handshake, FIN outside the window", handshake, relative(fin, 90000, 1, ""), 10},
		{"TIME-WAIT, the FIN again", remnant, relative(fin, 1, 2, ""), 10},
		{"TIME-WAIT, data", remnant, relative(ack, 1, 2, "abc"), 10},
		{"TIME-WAIT, the SYN again", remnant, relative(syn, 0, 0, ""), 10},
	} {
		t.Run(c.name, func(t *testing.T) {
			m, now := c.make(t), Time(2e9)
			var out Outgoing
			for range 2 {
				sent := 0
				for range 1500 {
					m.Receive(now, c.in)
					for m.Transmit(now, 1, &out) {
						sent++
					}
				}
				if sent != c.want {
					t.Errorf("%d answers, want %d", sent, c.want)
				}
				now = now.Add(5 * time.Second)
			}
		})
	}
}

// A blind RST ends no connection (RFC 4953 2, RFC 5961 3).
//
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

// Challenge ACKs are few, and each connection has a limit of its own (RFC 5961 7, CVE-2016-5696).
func TestChallengeLimit(t *testing.T) {
	o := established(t, Config{})
	n := 0
	for range 1000 {
		o.in(segment{flags: rst, seq: 2})
		for o.c.Transmit(o.now, 1, &o.last) {
			n++
		}
	}
	if n != 10 {
		t.Errorf("%d challenge ACKs at once, want 10", n)
	}
}

// Other refused segments do not use up the ACKs in reply to SYNs, without which a peer that has rebooted cannot end the
// connection. Those are few as well.
func TestChallengeLimitOfSYNs(t *testing.T) {
	o := established(t, Config{})
	for range 20 {
		o.in(segment{flags: rst, seq: 2})
		o.in(segment{flags: ack, seq: -100, ack: 1})
		for o.c.Transmit(o.now, 1, &o.last) {
		}
	}
	n := 0
	for range 1000 {
		for _, at := range []int64{2, -1 << 31} { // in the window and far from it
			o.in(segment{flags: syn, seq: at})
			for o.c.Transmit(o.now, 1, &o.last) {
				n++
			}
		}
	}
	if n != 10 {
		t.Errorf("%d ACKs in reply to SYNs, want 10", n)
	}
}

// The same for a handshake: the client's SYN again, after its SYN-ACK was lost, and a SYN that may be forged.
func TestChallengeLimitOfSYNsInHandshake(t *testing.T) {
	cfg, first := Config{}.WithDefaults(), wire.TCP{Flags: syn, Seq: testIRS, Window: 9000}
	h := NewHandshake(1e9, &cfg, testOpen(), &first)
	var out Outgoing
	replies := func(tcp wire.TCP) (n int) {
		h.Receive(1e9, &Segment{TCP: tcp})
		for h.Transmit(1e9, 1, &out) {
			n++
		}
		return n
	}
	for range 20 {
		replies(wire.TCP{Flags: rst, Seq: testIRS + 2})
	}
	if n := replies(first); n != 1 || out.TCP.Flags != syn|ack {
		t.Errorf("%d replies to the SYN again, the last with %v, want a SYN-ACK", n, out.TCP.Flags)
	}
	if n := replies(wire.TCP{Flags: syn, Seq: 1<<31 ^ testIRS}); n != 1 || out.TCP.Flags != ack {
		t.Errorf("%d replies to another SYN, the last with %v, want an ACK", n, out.TCP.Flags)
	}
}

// A SYN-ACK counts in SYN-RECEIVED only with the number of the SYN it repeats: anywhere else in the window it may be
// forged, and gets a challenge ACK (RFC 5961 4).
func TestSYNACKInTheWindowIsChallenged(t *testing.T) {
	for _, at := range []int64{1, 100} {
		o := crossedSubject(t).endpoint
		if v := o.in(segment{flags: syn | ack, seq: at, ack: 1, data: "x"}); v != VerdictChallenged {
			t.Errorf("at %d: %v", at, v)
		}
		o.state(SynReceived)
		o.want(segment{flags: ack, seq: 1, ack: 1})
	}
	o := crossedSubject(t).endpoint
	o.in(segment{flags: syn | ack, seq: 0, ack: 1, data: "x"})
	o.state(Established)
	o.read("x", nil)
}

// A RST to a handshake of a listener puts an end to the handshake, one to a call of ours to the call.
//
// Shows: MUST-11.
func TestResetInSynReceived(t *testing.T) {
	passive, active := handshakeSubject(t), crossedSubject(t)
	if o := passive.receive(&arriving{flags: rst, at: 1}); o.next != "LISTEN" || o.sends != "" {
		t.Errorf("passive: %+v", o)
	}
	active.in(segment{flags: rst, seq: 1})
	active.state(Closed)
	active.read("", ErrRefused)
}
