package conn

import (
	"fmt"
	"testing"
	"time"

	"minitcp/conn/wire"
)

// Both ends must request ECN and agree to it as in RFC 3168 6.1.1. No other combination of flags counts, and none
// causes a RST.
//
// Shows: SHLD-8.
func TestECNHandshake(t *testing.T) {
	for _, bits := range []wire.Flags{0, ece, cwr, ece | cwr} {
		for _, mode := range []ECNMode{ECNClassicPassive, ECNClassicActive, ECNDisabled} {
			name := fmt.Sprintf("mode %d, %v", mode, bits)
			cfg := plain(Config{ECN: mode}).WithDefaults()
			var out Outgoing

			c := Dial(1e9, &cfg, testOpen())
			c.Transmit(1e9, 1, &out)
			asks := wire.Flags(0)
			if mode == ECNClassicActive {
				asks = ece | cwr
			}
			if out.TCP.Flags != syn|asks || out.ECN != wire.NotECT {
				t.Errorf("%s: sent %v, %v", name, out.TCP.Flags, out.ECN)
			}
			c.Receive(1e9, &Segment{TCP: wire.TCP{Flags: syn | ack | bits, Seq: testIRS, Ack: testISS + 1, Window: 9000}})
			if got, want := c.Info(1e9).ECN, mode == ECNClassicActive && bits == ece; got != want || c.State() != Established {
				t.Errorf("%s: after the SYN-ACK ECN is %v", name, got)
			}

			e := NewHandshake(1e9, &cfg, testOpen(), &wire.TCP{Flags: syn | bits, Seq: testIRS, Window: 9000})
			agrees := mode != ECNDisabled && bits == ece|cwr
			for range 2 { // also when it is sent again
				e.Transmit(1e9, 1, &out)
				want := syn | ack
				if agrees {
					want |= ece
				}
				if out.TCP.Flags != want || out.ECN != wire.NotECT {
					t.Errorf("%s: answered with %v, %v", name, out.TCP.Flags, out.ECN)
				}
				e.Advance(e.Deadline())
			}
			e.Receive(1e9, &Segment{TCP: wire.TCP{Flags: ack, Seq: testIRS + 1, Ack: testISS + 1, Window: 9000}})
			if got := e.Establish(1e9).Info(1e9).ECN; got != agrees {
				t.Errorf("%s: after the handshake ECN is %v", name, got)
			}
		}
	}
}

// A SYN without an answer is retransmitted without ECN. If the peer has answered the first one, it may assume that ECN
// is agreed on. Marks are then reported to it, and its end sends no ECN-capable packets (RFC 3168 6.1.1, 6.1.1.1).
func TestECNFallback(t *testing.T) {
	o := dialEndpoint(t, Config{ECN: ECNActive})
	o.want(segment{flags: syn | ece | cwr})
	o.wait(time.Second)
	o.want(segment{flags: syn})
	o.in(segment{flags: syn | ack | ece, ack: 1, options: wire.Options{MSS: 1000}})
	o.want(segment{flags: ack, seq: 1, ack: 1})
	if o.c.Info(o.now).ECN {
		t.Error("ECN is on")
	}
	o.write(repeat(1000))
	o.sends(1, ack, wire.NotECT)
	o.dataIn(1, 0, wire.CE)
	o.want(segment{flags: ack | ece, seq: 1001, ack: 101})
}

// A peer that retransmits its SYN without ECN gets a SYN-ACK without ECN.
func TestECNFallbackOfThePeer(t *testing.T) {
	cfg := plain(Config{}).WithDefaults()
	e := NewHandshake(1e9, &cfg, testOpen(), &wire.TCP{Flags: syn | ece | cwr, Seq: testIRS, Window: 9000})
	var out Outgoing
	for _, want := range []wire.Flags{syn | ack | ece, syn | ack, syn | ack} {
		if e.Transmit(2e9, 1, &out); out.TCP.Flags != want {
			t.Errorf("answered with %v, want %v", out.TCP.Flags, want)
		}
		e.Receive(2e9, &Segment{TCP: wire.TCP{Flags: syn, Seq: testIRS, Window: 9000}})
	}
	o := &endpoint{t: t, cfg: cfg, now: 2e9}
	first := Segment{TCP: wire.TCP{Flags: ack, Seq: testIRS + 1, Ack: testISS + 1, Window: 9000}}
	e.Receive(o.now, &first)
	o.c = e.Establish(o.now)
	o.c.Receive(o.now, &first)
	if o.c.Info(o.now).ECN {
		t.Error("ECN is on")
	}
	o.dataIn(1, 0, wire.CE)
	o.want(segment{flags: ack | ece, seq: 1, ack: 101})
}

// In a simultaneous open both SYNs request ECN, and both SYN-ACKs agree.
func TestECNSimultaneousOpen(t *testing.T) {
	for _, c := range []struct {
		mode        ECNMode
		syn, synAck wire.Flags // the peer's
		again       bool       // the peer's SYN arrives a second time, without ECN
		answer      wire.Flags // ours
		agreed      bool
	}{
		{ECNActive, ece | cwr, ece, false, ece, true},
		{ECNActive, ece | cwr, 0, false, ece, false},
		{ECNActive, 0, ece, false, 0, false},
		{ECNPassive, ece | cwr, ece, false, 0, false}, // ours has not asked, and that cannot be taken back
		{ECNActive, ece | cwr, ece, true, ece, false},
	} {
		o := dialEndpoint(t, Config{ECN: c.mode})
		o.c.Transmit(o.now, 1, &o.last)
		o.in(segment{flags: syn | c.syn})
		o.want(segment{flags: syn | ack | c.answer, ack: 1})
		if c.again {
			o.in(segment{flags: syn})
			o.want(segment{flags: syn | ack, ack: 1})
		}
		o.in(segment{flags: syn | ack | c.synAck, ack: 1})
		o.state(Established)
		if got := o.c.Info(o.now).ECN; got != c.agreed {
			t.Errorf("%+v: ECN is %v", c, got)
		}
	}
}

func TestECNModeNames(t *testing.T) {
	for _, m := range []ECNMode{ECNPassive, ECNActive, ECNDisabled} {
		text, err := m.MarshalText()
		got := ECNMode(99)
		if err != nil || got.UnmarshalText(text) != nil || got != m || m.String() != string(text) {
			t.Errorf("%d: %q becomes %d", m, text, got)
		}
	}
	m := ECNActive
	if m.UnmarshalText([]byte("maybe")) == nil || m != ECNActive || ECNMode(99).String() != "unknown" {
		t.Errorf("%v", m)
	}
}
