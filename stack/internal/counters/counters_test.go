package counters

import (
	"testing"

	"minitcp/conn"
	"minitcp/conn/wire"
)

// Each counter has a name of its own, and Put has every name, with the number of events.
func TestTotals(t *testing.T) {
	var totals Totals
	for c := range number {
		totals.Add(c, int(c)+1)
		totals.Count(c)
	}
	totals.Damaged(wire.ErrTruncated)
	totals.Verdict(conn.VerdictReset)
	totals.Verdict(conn.VerdictReset)
	stats := make(map[string]uint64)
	totals.Put(stats)
	if n := int(number) + len(wire.Errors()) + int(conn.Verdicts); len(stats) != n {
		t.Errorf("%d names, want %d", len(stats), n)
	}
	for c := range number {
		if name := c.String(); name == "" || stats[name] != uint64(c)+2 {
			t.Errorf("counter %d is %q with %d events, want %d", uint8(c), name, stats[name], uint8(c)+2)
		}
	}
	for name, want := range map[string]uint64{"dropped-" + wire.ErrTruncated.Name(): 1, "verdict-" + conn.VerdictReset.Name(): 2, "verdict-" + conn.VerdictAccepted.Name(): 0} {
		if got := stats[name]; got != want {
			t.Errorf("%s is %d, want %d", name, got, want)
		}
	}
}
