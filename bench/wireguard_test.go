//go:build linux

package main

import (
	"io"
	"regexp"
	"strings"
	"testing"

	"minitcp/bench/wireguard"
)

func TestWireGuardPlanAndTable(t *testing.T) {
	o := wireguardOptions{pattern: regexp.MustCompile("memory, bulk up")}
	rows := o.plan()
	if len(rows) != 2 {
		t.Fatalf("%d rows, want 2", len(rows))
	}
	for i := range 3 {
		rows[0].samples["minitcp"] = append(rows[0].samples["minitcp"], wireguard.Sample{Rate: float64(i+1) * 1e9, CPU: 1e-9, Resident: 5e6})
		rows[0].samples["netstack"] = append(rows[0].samples["netstack"], wireguard.Sample{Rate: 5e8, CPU: 4e-9, Resident: 7e6})
	}
	want := "memory|bulk up, 1 flow|16.0 Gbit/s|4.00 Gbit/s|4.00|1.00 s/GB|4.00 s/GB|0.250|5.00 MB|7.00 MB"
	if got := strings.Join(wireguardTable(rows[:1]).Lines[1], "|"); got != want {
		t.Errorf("the line is\n%s, want\n%s", got, want)
	}
}

func TestWireGuardMistakes(t *testing.T) {
	for _, test := range []struct{ arguments, want string }{
		{"more", `"more" is not a flag`},
		{"-rounds 0", "-rounds 0 is not within 1 and 100"},
		{"-duration 1ms", "-duration 1ms is not within"},
		{"-run (", "-run: error parsing regexp"},
	} {
		var stderr strings.Builder
		if status := runWireGuard(strings.Fields(test.arguments), io.Discard, &stderr); status != 2 || !strings.Contains(stderr.String(), test.want) {
			t.Errorf("%s: status %d, %q", test.arguments, status, stderr.String())
		}
	}
}
