package conntest

import (
	"errors"
	"testing"
	"time"

	"minitcp/conn"
)

// Scenarios with reboots end connections with a RST, in TIME-WAIT, and after a complete close.
func TestReboots(t *testing.T) {
	var scenarios, reset, timeWait int
	for seed := uint64(0); scenarios < 60; seed++ {
		s := Draw(seed)
		if s.Reboot.Of == "" {
			continue
		}
		scenarios++
		p := s.pair(0)
		p.DialAt(0)
		if err := p.Run(maxScenario); err != nil {
			t.Errorf("%v\n%v", err, s)
		}
		if err := p.result(0); err != nil {
			t.Errorf("%v\n%v", err, s)
		}
		switch survivor := p.rebooting.survivor; {
		case errors.Is(survivor.Conn.Err(), conn.ErrReset):
			reset++
		case survivor.TimeWait != nil:
			timeWait++
		}
	}
	if reset < 10 || timeWait < 5 {
		t.Errorf("of %d connections %d were reset and %d were in TIME-WAIT, want at least 10 and 5", scenarios, reset, timeWait)
	}
}

// A connection that stays open after its peer's reboot, or ends too late or after too many packets, breaks a rule.
func TestHalfOpen(t *testing.T) {
	for want, plant := range map[string]func(*rebooting){
		"":                          func(*rebooting) {},
		"the reboot never happened": func(r *rebooting) { r.survivor = nil },
		"b: the connection outlives the peer's reboot":                                        func(r *rebooting) { r.replaced = false },
		"b: the connection ends 2m1s after the peer's reboot":                                 func(r *rebooting) { r.over = r.at.Add(r.Down + 121*time.Second) },
		"b: the connection ends 3s after the peer's reboot":                                   func(r *rebooting) { r.over = r.at.Add(r.Down + 3*time.Second) },
		"b: the connection ends 67 packets after the peer's reboot, at most 66 are permitted": func(r *rebooting) { r.packets = 67 },
		"b: the connection ends 69 packets after the peer's reboot, at most 68 are permitted": func(r *rebooting) { r.packets, r.fresh = 69, 11 },
		"b keeps 1 pages, 0 borrowed buffers and 0 bytes":                                     func(r *rebooting) { r.survivor.Pages.Used++ },
	} {
		s := Scenario{MTU: 1500, Header: 20, Link: Link{Delay: 10 * ms, GSOMaxSize: 1}, Reboot: Reboot{At: 35 * ms, Of: "a", Down: ms},
			Flows: []Flow{{Up: Side{Bytes: 100_000}}}}
		p := s.pair(0)
		p.DialAt(0)
		if err := p.Run(maxScenario); err != nil {
			t.Fatal(err)
		}
		plant(p.rebooting)
		got := ""
		if err := p.rebooting.check(); err != nil {
			got = err.Error()
		}
		if got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}
