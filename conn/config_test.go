package conn

import (
	"testing"
	"time"

	"minitcp/conn/wire"
)

// A connection from a zero Config behaves as one from a Config with defaults.
func TestConfigWithoutDefaults(t *testing.T) {
	complete := Config{}.WithDefaults()
	syn := wire.TCP{Flags: wire.SYN, Seq: testIRS, Window: 65535, Options: wire.Options{MSS: 1460}}
	for _, cfg := range []*Config{{}, &complete} {
		c := Dial(1e9, cfg, testOpen())
		var out Outgoing
		if !c.Transmit(1e9, 1, &out) || out.TCP.Window != 65535 || c.Deadline() != 2e9 {
			t.Errorf("the SYN has a window of %d, and is sent again at %v", out.TCP.Window, c.Deadline())
		}
		e := NewHandshake(1e9, cfg, testOpen(), &syn)
		if !e.Transmit(1e9, 1, &out) || out.TCP.Window != 65535 || e.Deadline() != 2e9 {
			t.Errorf("the SYN-ACK has a window of %d, and is sent again at %v", out.TCP.Window, e.Deadline())
		}
	}
	if complete.completed() != &complete {
		t.Error("a Config with defaults is copied")
	}
}

// The defaults observe the RFC's limits on retransmission.
//
// Shows: MUST-20, SHLD-10, SHLD-11.
func TestDefaultLimits(t *testing.T) {
	cfg := Config{}.WithDefaults()
	if cfg.R1 < 3 || cfg.R2 < 100*time.Second || cfg.SYNTimeout < 3*time.Minute {
		t.Errorf("R1 %d, R2 %v, for SYNs %v", cfg.R1, cfg.R2, cfg.SYNTimeout)
	}
	o := established(t, Config{})
	o.write("x")
	o.want(segment{flags: ack, seq: 1, ack: 1, data: "x"})
	begin, sent := o.now, 0
	for o.c.State() != Closed {
		o.now = o.c.Deadline()
		o.c.Advance(o.now)
		for o.c.Transmit(o.now, 1, &o.last) {
			sent++
		}
	}
	if d := o.now.Sub(begin); d < 100*time.Second || sent <= cfg.R1 {
		t.Errorf("closed after %v and %d retransmissions", d, sent)
	}
}
