package main

import (
	"errors"
	"strings"
	"testing"

	"minitcp/conn/conntest"
)

func TestRun(t *testing.T) {
	for _, c := range []struct {
		args   string
		status int
		stdout []string // in this order
		stderr string
	}{
		{"--seeds 20 --from 100", 0, []string{"20 scenarios, 0 of them broke a rule"}, ""},
		{"--replay 3", 0, []string{"seed 3: ", "#1  a 192.0.2.1:10000", "SYN-SENT |--- SYN", "ESTABLISHED |<-- SYN,ACK", "| FIN-WAIT-1", "LAST-ACK |---", "| TIME-WAIT"}, ""},
		{"--seed 3", 2, nil, "--seed"},
		{"--seeds many", 2, nil, "many"},
		{"3", 2, nil, `unexpected argument "3"`},
		{"--help", 0, nil, "--replay"},
	} {
		var stdout, stderr strings.Builder
		if status := run(strings.Fields(c.args), &stdout, &stderr); status != c.status {
			t.Errorf("%s: status %d, want %d", c.args, status, c.status)
		}
		if !strings.Contains(stderr.String(), c.stderr) {
			t.Errorf("%s: %q does not contain %q", c.args, stderr.String(), c.stderr)
		}
		rest := stdout.String()
		for _, want := range c.stdout {
			_, after, found := strings.Cut(rest, want)
			if !found {
				t.Errorf("%s: %q is missing in\n%.2000s", c.args, want, stdout.String())
			}
			rest = after
		}
	}
}

// TestFailures checks that a broken rule and a panic are printed with the scenario and the command that replays it, and
// that the other scenarios are played.
func TestFailures(t *testing.T) {
	var b strings.Builder
	n := playAll(5, 10, conntest.Draw, func(s conntest.Scenario) error {
		switch s.Seed {
		case 7:
			return errors.New("a: stalls")
		case 9:
			panic("at nothing")
		}
		return nil
	}, &b)
	if n != 2 {
		t.Errorf("%d failed", n)
	}
	for _, want := range []string{"a: stalls\nseed 7: ", "simulate --replay 7\n", "panic: at nothing\n", "simulate --replay 9\n"} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("%q is missing in\n%s", want, &b)
		}
	}
}

// TestReplay checks that a seed always gives the same ladder.
func TestReplay(t *testing.T) {
	var first, second strings.Builder
	draw(conntest.Draw(11), &first)
	draw(conntest.Draw(11), &second)
	if first.String() != second.String() || strings.Count(first.String(), "\n") < 10 {
		t.Errorf("ladders of %d and %d bytes, want equal ones of 10 lines or more", first.Len(), second.Len())
	}
}
