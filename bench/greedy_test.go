//go:build linux

package main

import (
	"errors"
	"io"
	"strings"
	"testing"

	"minitcp/bench/greedy"
)

// The targets serve an honest client beside greedy peers, whose connections and memory are counted.
func TestGreedy(t *testing.T) {
	requireKernel(t)
	o, err := parseGreedy(strings.Fields("-scale 0.002 -duration 100ms -memory 64"), io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	both := o.Plan
	both.Peers, o.Peers, o.Targets = o.Peers[:1], o.Peers[1:], o.Targets[:1]
	samples, err := both.Run(t.Context(), io.Discard)
	ours, err2 := o.Run(t.Context(), io.Discard)
	samples = append(samples, ours...)
	if err := errors.Join(err, err2); err != nil || len(samples) != len(greedy.Targets)+len(greedy.All)-1 {
		t.Fatalf("%d samples, want %d; %v", len(samples), len(greedy.Targets)+len(greedy.All)-1, err)
	}
	for _, s := range samples {
		if s.Opened <= 0 || s.Opened > int64(s.Wanted) || s.Reset > s.Opened || s.Alone <= 0 || s.Beside <= 0 || s.Growth < 0 {
			t.Errorf("%+v", s)
		}
		if early := s.Peers == "hoarders" || s.Peers == "unread"; (s.Counted > 0) != (s.Target == greedy.Ours) && early {
			t.Errorf("%s beside %s: %d bytes are counted", s.Target, s.Peers, s.Counted)
		}
	}
	childless(t)
}

func TestGreedyMistakes(t *testing.T) {
	for _, test := range []struct{ arguments, want string }{
		{"up", `"up" is not a flag`},
		{"-duration 1ms", "-duration 1ms is not within 50ms and 1m0s"},
		{"-memory 0", "-memory 0 is not within 1 and 1048576"},
		{"-scale 7", "-scale 7 is not within 1e-06 and 6"},
		{"-peers vandals", `"vandals"`},
		{"-targets kernel", `"kernel"`},
	} {
		var stderr strings.Builder
		if status := runGreedy(strings.Fields(test.arguments), io.Discard, &stderr); status != 2 || !strings.Contains(stderr.String(), test.want) {
			t.Errorf("%s: status %d and %q, want %q", test.arguments, status, stderr.String(), test.want)
		}
	}
}
