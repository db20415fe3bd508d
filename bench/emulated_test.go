//go:build linux

package main

import (
	"io"
	"slices"
	"testing"
	"time"

	"minitcp/bench/emulated"
	"minitcp/bench/subject"
)

// Each kind of setting can be measured, and the link has an effect of that kind. Its size is not tested further: other
// work on the machine makes a link slower, and lose more.
func TestEmulated(t *testing.T) {
	requireKernel(t)
	remove, err := buildPrograms("minitcp")([]subject.Target{subject.Emulated("")})
	if err != nil {
		t.Fatal(err)
	}
	defer remove()
	settings := []emulated.Setting{
		{Flags: "--rate up:2mbit", Kind: emulated.Rate, Asked: 2e6},
		{Flags: "--delay down:100ms", Kind: emulated.Delay, Asked: 0.1},
		{Flags: "--loss up:50%", Kind: emulated.Loss, Asked: 0.5},
	}
	n := 0
	err = emulated.Measure(t.Context(), settings, 200*time.Millisecond, func(r emulated.Result) {
		n++
		if r.Kind == emulated.Rate && r.Measured > 2*r.Asked || r.Kind != emulated.Rate && r.Measured < r.Asked/2 {
			t.Errorf("%s: %v, asked for %v", r.Flags, r.Measured, r.Asked)
		}
		if line := emulatedLine(&r); slices.Contains(line[:6], "") {
			t.Errorf("the line %q has an empty cell", line)
		}
	})
	if err != nil || n != len(settings) {
		t.Errorf("%d settings were measured, want %d; error %v", n, len(settings), err)
	}
	childless(t)
}

// A result is within its limit or not, on both sides.
func TestEmulatedLimits(t *testing.T) {
	for _, test := range []struct {
		measured float64
		met      bool
	}{{9.9e6, true}, {10.1e6, true}, {9.89e6, false}, {10.11e6, false}} {
		r := emulated.Result{Setting: emulated.Setting{Kind: emulated.Rate, Asked: 10e6}, Measured: test.measured, Limit: 0.1e6}
		if r.Met() != test.met {
			t.Errorf("%v of 10e6 ± 0.1e6: met %v, want %v", test.measured, r.Met(), test.met)
		}
	}
	if got := runEmulated([]string{"-duration=1ms"}, io.Discard, io.Discard); got != 2 {
		t.Errorf("status %d of a duration that is too short, want 2", got)
	}
}
