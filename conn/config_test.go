package conn

import (
	"testing"

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
