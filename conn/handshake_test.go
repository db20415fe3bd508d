package conn

import (
	"testing"
	"time"

	"minitcp/conn/wire"
)

// An option is in use only if both ends offer it, in either role. A SYN-ACK has only options of the SYN (RFC 7323 2.2
// and 3.2, RFC 2018 2).
func TestOptionNegotiation(t *testing.T) {
	type features struct{ timestamps, sack, scale bool }
	feature := func(on bool) Feature {
		if on {
			return Enabled
		}
		return Disabled
	}
	offers := func(o *wire.Options) features { return features{o.HasTimestamps, o.SACKPermitted, o.HasWindowScale} }
	for i := range 64 {
		ours, theirs := features{i&1 != 0, i&2 != 0, i&4 != 0}, features{i&8 != 0, i&16 != 0, i&32 != 0}
		both := features{ours.timestamps && theirs.timestamps, ours.sack && theirs.sack, ours.scale && theirs.scale}
		cfg := Config{Timestamps: feature(ours.timestamps), SACK: feature(ours.sack), WindowScale: feature(ours.scale)}.WithDefaults()
		peer := wire.TCP{Seq: testIRS, Ack: testISS + 1, Window: 1000, Options: wire.Options{MSS: 1000,
			HasTimestamps: theirs.timestamps, TSVal: 9, SACKPermitted: theirs.sack, HasWindowScale: theirs.scale, WindowScale: 3}}
		check := func(name string, c *Conn) {
			t.Helper()
			info := c.Info(1e9)
			scales := [2]uint8{}
			if both.scale {
				scales = [2]uint8{3, 8}
			}
			if got := (features{info.Timestamps, info.SACK, both.scale}); got != both || [2]uint8{info.SendScale, info.ReceiveScale} != scales {
				t.Errorf("%s, ours %v, theirs %v: %v, scales %d and %d", name, ours, theirs, got, info.SendScale, info.ReceiveScale)
			}
			if size := info.MSS; size != 1000 && !both.timestamps || size != 988 && both.timestamps {
				t.Errorf("%s: %d bytes in a segment", name, size)
			}
			if info.SendWindow != 1000 {
				t.Errorf("%s: window %d, but a SYN's is not scaled", name, info.SendWindow)
			}
			if err := c.Check(); err != nil {
				t.Error(err)
			}
		}
		var out Outgoing

		c := Dial(1e9, &cfg, testOpen())
		c.Transmit(1e9, 1, &out)
		if got := offers(&out.TCP.Options); got != ours || out.TCP.Options.MSS != 1460 {
			t.Errorf("SYN offers %v, MSS %d; want %v", got, out.TCP.Options.MSS, ours)
		}
		peer.Flags = syn | ack
		c.Receive(1e9, &Segment{TCP: peer})
		check("active", c)

		peer.Flags = syn
		e := NewHandshake(1e9, &cfg, testOpen(), &peer)
		e.Transmit(1e9, 1, &out)
		if got := offers(&out.TCP.Options); got != both || out.TCP.Options.MSS != 1460 {
			t.Errorf("SYN-ACK offers %v, MSS %d; want %v", got, out.TCP.Options.MSS, both)
		}
		last := Segment{TCP: wire.TCP{Flags: ack, Seq: testIRS + 1, Ack: testISS + 1, Window: 1000}}
		last.TCP.Options = wire.Options{HasTimestamps: both.timestamps, TSVal: 10}
		if e.Receive(1e9, &last); e.State() != Established {
			t.Fatal("no handshake")
		}
		check("passive", e.Establish(1e9))
	}
}

// The SYN-ACK is retransmitted five times with doubling timeouts, for 63 seconds in all: a deviation from MUST-23.
//
// Shows: MUST-22.
func TestHandshakeRetransmits(t *testing.T) {
	cfg := Config{}.WithDefaults()
	start := Time(1e9)
	e := NewHandshake(start, &cfg, testOpen(), &wire.TCP{Seq: testIRS, Flags: syn, Window: 1000})
	var out Outgoing
	want := start
	for i := range 6 {
		if !e.Transmit(want, 1, &out) || out.TCP.Flags != syn|ack || out.TCP.Ack != testIRS+1 {
			t.Fatalf("%d: no SYN-ACK", i)
		}
		if e.Transmit(want, 1, &out) {
			t.Fatal("two")
		}
		want = want.Add(time.Second << i)
		if e.Deadline() != want {
			t.Fatalf("%d: deadline %v, want %v", i, e.Deadline(), want)
		}
		e.Advance(want)
	}
	if e.State() != Closed || e.Transmit(want, 1, &out) || e.Deadline() != Never {
		t.Errorf("after 63 seconds: state %d", e.State())
	}
}

// TestHandshakeWithoutTimestamps completes a handshake whose final ACK lacks the timestamps that both ends agreed on,
// as clients with old kernels behind a firewall send it.
func TestHandshakeWithoutTimestamps(t *testing.T) {
	cfg := Config{}.WithDefaults()
	syn := wire.TCP{Seq: testIRS, Flags: wire.SYN, Window: 1000, Options: wire.Options{HasTimestamps: true, TSVal: 5}}
	e := NewHandshake(0, &cfg, testOpen(), &syn)
	var out Outgoing
	e.Transmit(0, 1, &out)
	s := Segment{TCP: wire.TCP{Seq: testIRS + 1, Ack: testISS + 1, Flags: ack}}
	if v := e.Receive(0, &s); v != VerdictAccepted || e.State() != Established {
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
	if e.Receive(0, &s); e.State() != Established {
		t.Fatal(e.State())
	}
	bad := s
	bad.TCP.Ack++
	if v := e.Receive(0, &bad); v != VerdictBadACK || e.State() != SynReceived {
		t.Errorf("a bad ACK: %v, state %d", v, e.State())
	}
	if e.Receive(0, &s); e.State() != Established {
		t.Error("the right ACK again is not accepted")
	}
}
