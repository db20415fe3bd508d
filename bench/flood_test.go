//go:build linux

package main

import (
	"io"
	"strings"
	"testing"

	"minitcp/bench/flood"
)

// Each target serves honest clients without a flood, and each SYN and each honest connection of a flood is counted.
func TestFlood(t *testing.T) {
	requireKernel(t)
	o, err := parseFlood(strings.Fields("-rounds 1 -duration 200ms -rates 2000,2000@5ms"), io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	samples, err := o.Run(t.Context(), io.Discard)
	if want := 2*len(flood.Targets) - 1; err != nil || len(samples) != want { // the floor has no far clients
		t.Fatalf("%d samples, want %d; %v", len(samples), want, err)
	}
	const (
		attempts = 32          // honest ones at a time
		most     = 2000 * 13.7 // SYNs in 13.7 s, after which a flood ends by itself
	)
	for _, s := range samples {
		if s.Case.RTT > 0 && s.Quiet.Pings > 1/s.Case.RTT.Seconds() {
			t.Errorf("%s: %v pings per second with a round trip of %v", s.Target, s.Quiet.Pings, s.Case.RTT)
		}
		if s.Quiet.Connects <= 0 || s.Sent <= 0 || s.Sent > most || s.Quiet.SYNs != 0 || s.Growth < 0 || s.Cookies == "" {
			t.Errorf("%s: %+v", s.Target, s)
		}
		// The connections in progress end after the measurement.
		if ended := s.Succeeded + s.Failed; ended < attempts || float64(s.Succeeded) < s.Under.Connects*o.Duration.Seconds() {
			t.Errorf("%s: %d succeeded and %d failed, at %v/s", s.Target, s.Succeeded, s.Failed, s.Under.Connects)
		}
	}
	if ours := samples[0]; ours.Succeeded == 0 {
		t.Errorf("minitcp under 2000 SYNs/s: %+v", ours)
	}
	childless(t)
}

func TestFloodMistakes(t *testing.T) {
	for _, test := range []struct{ arguments, want string }{
		{"up", `"up" is not a flag`},
		{"-duration 1ms", "-duration 1ms is not within 50ms and 1m0s"},
		{"-rounds 0", "-rounds 0 is not within 1 and 100"},
		{"-rates 5,many", `-rates: "many" is not a number within 1 and 1000000`},
		{"-rates 5@40", `-rates: "40" is not a time of up to 1s`},
		{"-targets minitcp-wrapped", `"minitcp-wrapped"`},
		{"-profile /dev/null", "-profile: mkdir /dev/null: not a directory"},
	} {
		var stderr strings.Builder
		if status := runFlood(strings.Fields(test.arguments), io.Discard, &stderr); status != 2 || !strings.Contains(stderr.String(), test.want) {
			t.Errorf("%s: status %d and %q, want %q", test.arguments, status, stderr.String(), test.want)
		}
	}
}
