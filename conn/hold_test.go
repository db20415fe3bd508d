package conn

import (
	"testing"
	"time"

	"minitcp/conn/wire"
)

// heldHandshake returns a Handshake held since second 1, whose peer's initial sequence number is 1000, and its
// configuration.
func heldHandshake(options wire.Options) *Handshake {
	cfg := Config{}.WithDefaults()
	syn := wire.TCP{Flags: wire.SYN, Seq: 1000, Window: 500, Options: options}
	e := NewHandshake(Time(time.Second), &cfg, Open{ISS: 7000, MTU: 1500, IPHeader: 20}, &syn)
	e.Hold(Time(time.Second))
	return e
}

// sentBy returns the segments that e sends at now, after it has advanced.
func sentBy(e *Handshake, now Time) (sent []wire.TCP) {
	var out Outgoing
	e.Advance(now)
	for e.Transmit(now, 0, &out) {
		sent = append(sent, out.TCP)
	}
	return sent
}

// While it is held a Handshake sends nothing but a segment without flags every 700 ms.
func TestHeldHandshakeProbes(t *testing.T) {
	e := heldHandshake(wire.Options{})
	second := Time(time.Second)
	if got := sentBy(e, second); got != nil {
		t.Fatalf("the SYN is answered: %+v", got)
	}
	for i := 1; i <= 9; i++ {
		at := second.Add(time.Duration(i) * 700 * time.Millisecond)
		if e.Deadline() != at {
			t.Fatalf("deadline %v, want %v", e.Deadline(), at)
		}
		if got := sentBy(e, at); len(got) != 1 || got[0].Flags != 0 || got[0].Seq != 7000 {
			t.Fatalf("probe %d: %+v", i, got)
		}
	}
	if got := sentBy(e, second.Add(7*time.Second)); got != nil || e.State() != Closed {
		t.Errorf("7 s after the only SYN: %v, sent %+v", e.State(), got)
	}
}

// The peer's SYNs, at the times of systems in use, keep a held Handshake until the peer has given up.
func TestHeldHandshakeTimeout(t *testing.T) {
	for name, at := range map[string][]float64{
		"Linux":                  {0, 1, 3, 7, 15, 31, 63},
		"3 s at first":           {0, 3, 9, 21},
		"one lost":               {0, 1, 7, 15},
		"the first ones lost":    {0, 3, 7},
		"macOS, linear at first": {0, 1, 2, 3, 4, 5, 7, 11, 19, 35},
	} {
		e := heldHandshake(wire.Options{})
		last, interval := 0.0, 0.0
		for _, s := range at[1:] {
			now := Time((1 + s) * float64(time.Second))
			sentBy(e, now-1)
			if e.State() == Closed {
				t.Fatalf("%s: dead before the SYN at %v s", name, s)
			}
			syn := Segment{TCP: wire.TCP{Flags: wire.SYN, Seq: 1000, Window: 600}}
			if v := e.Receive(now, &syn); v != VerdictDuplicate || e.Transmit(now, 0, new(Outgoing)) {
				t.Fatalf("%s: the SYN at %v s: %v", name, s, v)
			}
			last, interval = s, s-last
		}
		end := Time((1 + last + max(7, 7*interval)) * float64(time.Second))
		sentBy(e, end-1)
		if e.State() == Closed {
			t.Errorf("%s: dead too early", name)
		}
		sentBy(e, end)
		if e.State() != Closed {
			t.Errorf("%s: not dead at %v", name, end)
		}
	}
}

// Replies to a probe, and other segments that a peer may send while the Handshake is held.
func TestHeldHandshakeReceives(t *testing.T) {
	for _, c := range []struct {
		name    string
		tcp     wire.TCP
		verdict Verdict
		dead    bool
	}{
		{"the answer to a probe", wire.TCP{Flags: wire.RST | wire.ACK, Ack: 7000}, VerdictReset, true},
		{"a forged answer", wire.TCP{Flags: wire.RST | wire.ACK, Ack: 7001}, VerdictIgnored, false},
		{"an abort", wire.TCP{Flags: wire.RST, Seq: 1001}, VerdictReset, true},
		{"a forged RST", wire.TCP{Flags: wire.RST, Seq: 1002}, VerdictIgnored, false},
		{"another SYN", wire.TCP{Flags: wire.SYN, Seq: 5000}, VerdictReopen, true},
		{"an ACK", wire.TCP{Flags: wire.ACK, Seq: 1001, Ack: 7001}, VerdictIgnored, false},
		{"a SYN-ACK", wire.TCP{Flags: wire.SYN | wire.ACK, Seq: 1000, Ack: 7001}, VerdictIgnored, false},
		{"no flags", wire.TCP{Seq: 1001}, VerdictIgnored, false},
		{"a FIN", wire.TCP{Flags: wire.FIN, Seq: 1001}, VerdictIgnored, false},
	} {
		e := heldHandshake(wire.Options{})
		now := Time(2 * time.Second)
		if v := e.Receive(now, &Segment{TCP: c.tcp}); v != c.verdict || (e.State() == Closed) != c.dead {
			t.Errorf("%s: %v, %v; want %v", c.name, v, e.State(), c.verdict)
		}
		if e.Transmit(now, 0, new(Outgoing)) {
			t.Errorf("%s is answered", c.name)
		}
	}
}

// The SYN-ACK after Release has the options of the SYN, and the timestamp of its last retransmission.
func TestReleaseHandshake(t *testing.T) {
	options := wire.Options{
		MSS: 1300, HasWindowScale: true, WindowScale: 9, SACKPermitted: true, HasTimestamps: true, TSVal: 50,
	}
	e := heldHandshake(options)
	now := Time(4 * time.Second)
	options.TSVal = 80
	e.Receive(now, &Segment{TCP: wire.TCP{Flags: wire.SYN, Seq: 1000, Window: 700, Options: options}})
	if e.held == nil {
		t.Fatal("not held")
	}
	e.Release(now)
	got := sentBy(e, now)
	if len(got) != 1 || got[0].Flags != wire.SYN|wire.ACK || got[0].Seq != 7000 || got[0].Ack != 1001 {
		t.Fatalf("%+v", got)
	}
	if o := got[0].Options; o.MSS != 1460 || !o.HasWindowScale || !o.SACKPermitted || !o.HasTimestamps || o.TSEcr != 80 {
		t.Errorf("options %+v", o)
	}
	c := e.Establish(now)
	ack := Segment{TCP: wire.TCP{Flags: wire.ACK, Seq: 1001, Ack: 7001, Window: 10, Options: wire.Options{HasTimestamps: true, TSVal: 90}}}
	if v := c.Receive(now, &ack); v != VerdictAccepted || c.State() != Established || c.Info(now).MSS > 1300 {
		t.Errorf("%v, %v, MSS %d", v, c.State(), c.Info(now).MSS)
	}
}

// A connection may be established before its SYN-ACK has been sent. It sends the SYN-ACK itself, with the options that
// the Handshake would have sent, and repeats it.
func TestEstablishBeforeSYNACK(t *testing.T) {
	second := Time(time.Second)
	options := wire.Options{MSS: 1000, HasWindowScale: true, WindowScale: 7, HasTimestamps: true, TSVal: 9, SACKPermitted: true}
	begin := func() *Handshake {
		h := heldHandshake(options)
		h.Release(second)
		return h
	}
	want := sentBy(begin(), second)[0]
	c := begin().Establish(second)
	for _, at := range []Time{second, 2 * second} {
		var out Outgoing
		c.Advance(at)
		if !c.Transmit(at, 1, &out) {
			t.Fatalf("no SYN-ACK at %v", at)
		}
		out.TCP.Options.TSVal = want.Options.TSVal
		if out.TCP != want {
			t.Errorf("at %v:\n%+v, want\n%+v", at, out.TCP, want)
		}
		if c.Transmit(at, 1, &out) {
			t.Errorf("another segment: %+v", out.TCP)
		}
	}
}
