//go:build linux

package main

import (
	"io"
	"strings"
	"testing"

	"minitcp/bench/links"
)

func TestLinksMistakes(t *testing.T) {
	for _, test := range []struct{ arguments, want string }{
		{"up", `"up" is not a flag`},
		{"-rounds 0", "-rounds 0 is not within 1 and 100"},
		{"-at-once 9", "-at-once 9 is not within 1 and 3"},
		{"-rows loss1,loss2", `there is no row "loss2", only floor100,`},
		{"-trace /dev/null", "-trace /dev/null: the trace is empty"},
		{"-trace /nowhere", "-trace: open /nowhere:"},
		{"-targets floor", `there is no target "floor", only minitcp-cubic, minitcp-reno,`},
	} {
		var stderr strings.Builder
		if status := runLinks(strings.Fields(test.arguments), io.Discard, &stderr); status != 2 || !strings.Contains(stderr.String(), test.want) {
			t.Errorf("%s: status %d and %q, want %q", test.arguments, status, stderr.String(), test.want)
		}
	}
}

func TestLinksQuick(t *testing.T) {
	for _, test := range []struct {
		arguments string
		rounds    int
		scale     float64
	}{
		{"", 5, 1},
		{"-quick", 1, links.QuickScale},
		{"-quick -rounds 4", 4, links.QuickScale},
	} {
		o, err := parseLinks(strings.Fields(test.arguments), io.Discard)
		if err != nil || o.Rounds != test.rounds || o.Scale != test.scale {
			t.Errorf("%q: %d rounds, scale %v, %v", test.arguments, o.Rounds, o.Scale, err)
		}
	}
}

func TestLinksList(t *testing.T) {
	var stdout strings.Builder
	if status := runLinks([]string{"-list"}, &stdout, io.Discard); status != 0 {
		t.Errorf("status %d", status)
	}
	for _, want := range []string{"slowstart", "minitcp-bbr", "gvisor-reno", "kernel-bbr"} {
		if !strings.Contains(stdout.String(), want) {
			t.Errorf("%q is not in\n%s", want, stdout.String())
		}
	}
}

// Every kind of row runs on a real link for a moment. The figures are not checked; the data is.
func TestLinks(t *testing.T) {
	requireKernel(t)
	o, err := parseLinks(strings.Fields("-rounds 1 -rows floor100,loss1,slowstart,against,cellular,responses,receive10 -targets minitcp-cubic,kernel-cubic"), io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	o.Scale = 0.02
	samples, err := o.Run(t.Context(), io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	if len(samples) != 12 {
		t.Errorf("%d samples", len(samples))
	}
	for _, s := range samples {
		if s.Error != "" {
			t.Errorf("%s of %s: %s", s.Row, s.Entry, s.Error)
		}
	}
	childless(t)
}
