package conntest

import (
	"testing"
	"time"

	"minitcp/conn"
)

// Draw returns every kind of Box, and each kind changes segments.
func TestBoxKinds(t *testing.T) {
	kinds := map[string]int{}
	for seed := range uint64(200) {
		b := Draw(seed).Link.Box
		for name, on := range map[string]bool{"strip": b.Strip > 0, "shrink": len(b.Shrinks) > 0, "sack": b.SACK > 0, "icmp": b.ICMP > 0} {
			if on {
				kinds[name]++
			}
		}
	}
	if len(kinds) != 4 {
		t.Errorf("200 seeds draw the kinds %v, want 4", kinds)
	}
	for name, b := range map[string]Box{
		"strip":  {Strip: 1},
		"shrink": {Shrinks: []Shrink{{0, time.Second, 1}}},
		"sack":   {SACK: 1},
		"icmp":   {ICMP: 1, MTU: 68},
	} {
		p := NewPair(1, conn.Config{}, Link{Delay: ms, GSOMaxSize: 16000, Box: b})
		p.A.ToSend = fill(1, 300_000)
		stamped, small, sacks := 0, 0, 0
		p.Trace = func(v *Event) {
			if h := &v.Segment.TCP; v.Arrived && v.From == p.B && v.Before == conn.Established {
				stamped += btoi(h.Options.HasTimestamps)
				small += btoi(h.Window == 1)
				sacks += btoi(h.Options.SACKCount > 0)
			}
		}
		p.Dial(p.A)
		if err := p.Run(time.Hour); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if err := p.Finished(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		mtu := p.A.Conn.Info(p.Now).PathMTU
		if stamped > 0 == (name == "strip") || small > 0 != (name == "shrink") || sacks > 0 != (name == "sack") || mtu < 1500 != (name == "icmp") {
			t.Errorf("%s: %d segments with timestamps, %d with a small window, %d with SACK blocks, path MTU %d", name, stamped, small, sacks, mtu)
		}
	}
}

func btoi(b bool) int {
	if b {
		return 1
	}
	return 0
}
