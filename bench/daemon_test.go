//go:build linux

package main

import (
	"io"
	"strings"
	"testing"

	"minitcp/bench/daemon"
)

func TestDaemonMistakes(t *testing.T) {
	for _, test := range []struct{ arguments, want string }{
		{"up", `"up" is not a flag`},
		{"-duration 1ms", "-duration 1ms is not within 50ms and 1m0s"},
		{"-rest 2m", "-rest 2m0s is not within 0s and 1m0s"},
	} {
		var stderr strings.Builder
		if status := runDaemon(strings.Fields(test.arguments), io.Discard, &stderr); status != 2 || !strings.Contains(stderr.String(), test.want) {
			t.Errorf("%s: status %d and %q, want %q", test.arguments, status, stderr.String(), test.want)
		}
	}
}

// A limit is shown, and a mark if it is exceeded.
func TestDaemonTable(t *testing.T) {
	table := daemonTable([]daemon.Step{
		{Name: "start", Busy: 14e6, Resident: 14e6, Anonymous: 3e6, Limit: 20e6},
		{Name: "up8", Busy: 90e6, Resident: 61e6, Anonymous: 50e6, Limit: 60e6},
		{Name: "up64", Busy: 90e6, Resident: 70e6, Anonymous: 60e6},
	})
	var got []string
	for _, line := range table.Lines[1:] {
		got = append(got, strings.Join(line, ", "))
	}
	const want = `start, 14.0 MB, 14.0 MB, 3.00 MB, ≤ 20.0 MB
up8, 90.0 MB, 61.0 MB, 50.0 MB, ≤ 60.0 MB MISSED
up64, 90.0 MB, 70.0 MB, 60.0 MB, `
	if text := strings.Join(got, "\n"); text != want {
		t.Errorf("the table is\n%s\nwant\n%s", text, want)
	}
}
