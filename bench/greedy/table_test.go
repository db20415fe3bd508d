//go:build linux

package greedy

import (
	"strings"
	"testing"
)

// The table has the limits wanted of minitcp.
func TestTable(t *testing.T) {
	p := Plan{Memory: 256}
	table := p.Table([]Sample{
		{Peers: "readers", Target: Ours, Wanted: 6000, Opened: 6000, Alone: 90, Beside: 45, Growth: 300 << 20, Collected: 250 << 20, Counted: 256 << 20},
		{Peers: "windows", Target: Ours, Wanted: 100, Opened: 99, Reset: 3, Alone: 90, Beside: 44, Counted: 257 << 20},
		{Peers: "windows", Target: Other, Wanted: 100, Opened: 100, Alone: 90, Beside: 9, Growth: 5 << 20},
	})
	var got []string
	for _, line := range table.Lines[1:] {
		got = append(got, strings.TrimRight(strings.Join(line, ", "), ", "))
	}
	const want = `readers, 6000, minitcp, 6000, 0, 90.0, 45.0, 0.50, 300 MiB, 250 MiB, 256 MiB, ratio ≥ 0.50, counted ≤ 1.00
windows, 100, minitcp, 99, 3, 90.0, 44.0, 0.49, 0 MiB, 0 MiB, 257 MiB, ratio ≥ 0.50 MISSED, counted ≤ 1.00 MISSED
windows, 100, gvisor-cubic, 100, 0, 90.0, 9.00, 0.10, 5 MiB, 0 MiB, –`
	if text := strings.Join(got, "\n"); text != want {
		t.Errorf("the table is\n%s\nwant\n%s", text, want)
	}
}
