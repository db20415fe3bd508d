//go:build linux

package main

import (
	"io"
	"strings"
	"testing"
	"time"

	"minitcp/bench/subject"
)

func TestParse(t *testing.T) {
	p := parsed(t)
	if len(p.workloads) != len(workloads) || len(p.targets) != len(subject.Targets) || p.rounds != 5 || p.duration != 2*time.Second {
		t.Errorf("by default: %+v", p)
	}
	p = parsed(t, "-quick", "-rounds", "7", "-targets", "floor,minitcp", "-workloads", "rr")
	if p.rounds != 7 || p.duration != 150*time.Millisecond || p.connections != 2000 {
		t.Errorf("quick, except for the rounds: %+v", p)
	}
	if len(p.targets) != 2 || p.targets[0].Name != "minitcp" || len(p.workloads) != 1 || p.workloads[0].name != "rr" {
		t.Errorf("chosen: %+v", p)
	}
}

// The quick run stays below two minutes.
func TestQuick(t *testing.T) {
	if d := parsed(t, "-quick").estimate(); d > 110*time.Second {
		t.Errorf("-quick takes %v", d)
	}
}

func TestMistakes(t *testing.T) {
	for _, test := range []struct{ arguments, want string }{
		{"more", `"more" is not a flag`},
		{"-nonsense", "flag provided but not defined: -nonsense"},
		{"-rounds 0", "-rounds 0 is not within 1 and 100"},
		{"-rounds x", `invalid value "x"`},
		{"-duration 1ms", "-duration 1ms is not within 50ms and 1m0s"},
		{"-warmup 2m", "-warmup 2m0s is not within 0s and 1m0s"},
		{"-rest 2m", "-rest 2m0s is not within 0s and 1m0s"},
		{"-connections 300000", "-connections 300000 is not within 1 and 200000"},
		{"-reads 300000", "-reads 300000 is not within 1 and 262144"},
		{"-workloads up,sideways", `there is no workload "sideways", only up, up8, down,`},
		{"-targets lwip", `there is no target "lwip", only minitcp, minitcp-inline, minitcp-wrapped, gvisor-shipped,`},
		{"-profile /dev/null", "-profile: mkdir /dev/null: not a directory"},
	} {
		var stdout, stderr strings.Builder
		if status := run(comparison, strings.Fields(test.arguments), &stdout, &stderr); status != 2 {
			t.Errorf("%s: status %d, want 2", test.arguments, status)
		}
		if !strings.Contains(stderr.String(), test.want) || stdout.Len() > 0 {
			t.Errorf("%s: %q and %q, want %q", test.arguments, stdout.String(), stderr.String(), test.want)
		}
	}
}

func TestList(t *testing.T) {
	var stdout strings.Builder
	if status := run(comparison, []string{"-list"}, &stdout, io.Discard); status != 0 {
		t.Errorf("status %d", status)
	}
	for _, w := range workloads {
		if !strings.Contains(stdout.String(), "  "+w.name+" ") {
			t.Errorf("the workload %s is not listed", w.name)
		}
	}
	for _, target := range subject.Targets {
		if !strings.Contains(stdout.String(), target.Summary) {
			t.Errorf("the target %s is not listed", target.Name)
		}
	}
}
