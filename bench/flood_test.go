//go:build linux

package main

import (
	"io"
	"strings"
	"testing"

	"minitcp/bench/report"
	"minitcp/bench/subject"
)

// Each target serves honest clients without a flood, and each SYN and each honest connection of a flood is counted.
func TestFlood(t *testing.T) {
	requireKernel(t)
	o, err := parseFlood(strings.Fields("-rounds 1 -duration 200ms -rates 2000"), io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	samples, err := o.run(t.Context(), io.Discard)
	if err != nil || len(samples) != len(floodTargets) {
		t.Fatalf("%d samples, want %d; %v", len(samples), len(floodTargets), err)
	}
	for _, s := range samples {
		most := int64(2000 * (floodWarmup + o.duration + floodMargin + patience).Seconds())
		if s.Quiet.Connects <= 0 || s.Sent <= 0 || s.Sent > most || s.Quiet.SYNs != 0 || s.Growth < 0 || s.Cookies == "" {
			t.Errorf("%s: %+v", s.Target, s)
		}
		// The connections in progress end after the measurement.
		if ended := s.Succeeded + s.Failed; ended < floodHonest || float64(s.Succeeded) < s.Under.Connects*o.duration.Seconds() {
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
		{"-targets floor", `"floor"`},
	} {
		var stderr strings.Builder
		if status := runFlood(strings.Fields(test.arguments), io.Discard, &stderr); status != 2 || !strings.Contains(stderr.String(), test.want) {
			t.Errorf("%s: status %d and %q, want %q", test.arguments, status, stderr.String(), test.want)
		}
	}
}

// The table has medians, and the limits wanted of minitcp.
func TestFloodTable(t *testing.T) {
	sample := func(target string, connects, pings float64, failed, growth int64) floodSample {
		return floodSample{
			Target: target, Rate: floodAimed, Quiet: floodPace{Connects: 1000, Pings: 2000},
			Under:     floodPace{Connects: connects, Pings: pings, SYNs: 49000},
			Succeeded: 1000 - failed, Failed: failed, Growth: growth,
		}
	}
	o := floodOptions{rates: []int{floodAimed}}
	for _, name := range []string{ours, report.Kernel, report.Best} {
		target, _ := subject.Find(name)
		o.targets = append(o.targets, target)
	}
	table := o.table([]floodSample{
		sample(ours, 400, 1000, 0, 1<<20), sample(ours, 500, 1500, 20, 17<<20), sample(ours, 600, 1900, 10, 18<<20), sample(report.Kernel, 0, 4000, 1000, 0),
	})
	var got []string
	for _, line := range table.Lines[1:] {
		got = append(got, strings.TrimRight(strings.Join(line, ", "), ", "))
	}
	const want = `50000, minitcp, 49000, 1000, 500, 0.50, 99.00 %, 2000, 1500, 0.75, 17.0 MiB, connects ≥ 0.50, succeeded ≥ 0.99, pings ≥ 0.80 MISSED, MiB ≤ 16.00 MISSED
50000, kernel, 49000, 1000, 0, 0.00, 0.00 %, 2000, 4000, 2.00, –
50000, gvisor-best, failed`
	if text := strings.Join(got, "\n"); text != want {
		t.Errorf("the table is\n%s\nwant\n%s", text, want)
	}
}
