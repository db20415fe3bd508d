package conntest

import (
	"testing"
	"time"

	"minitcp/conn"
)

// Routes change and links fail at the configured times.
func TestChangesAndOutages(t *testing.T) {
	l := Link{Delay: ms, Changes: []Change{{10 * ms, 5 * ms}, {20 * ms, 2 * ms}}, Outages: []Outage{{3 * ms, 4 * ms}}}
	for _, c := range []struct {
		now, delay time.Duration
		down       bool
	}{{0, ms, false}, {3 * ms, ms, true}, {4 * ms, ms, false}, {10 * ms, 5 * ms, false}, {25 * ms, 2 * ms, false}} {
		if d, down := l.delay(conn.Time(c.now)), l.down(conn.Time(c.now)); d != c.delay || down != c.down {
			t.Errorf("at %v: %v, down %v", c.now, d, down)
		}
	}
}
