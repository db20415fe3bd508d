//go:build !race

package stack

// The race detector makes this test take a minute. It sees the same code in the tests of timewait_test.go.

import (
	"testing"
	"time"

	"minitcp/conn/buffer"
)

// Of a million connections that enter TIME-WAIT, as many remain as fit into a quarter of the budget, which counts them.
func TestMillionTimeWaits(t *testing.T) {
	within(t, func(t *testing.T) {
		const n, budget, batch = 1_000_000, 64 << 20, 50_000
		p := newPair(t, Config{Memory: budget})
		l := p.listen()
		for first := 0; first < n; first += batch {
			p.enterTimeWait(l, first, batch-1)
			time.Sleep(2 * time.Millisecond)
		}
		limit := uint64(budget / 4 / int(timeWaitMemory))
		wantCount(t, p.a, "connections", limit)
		wantCount(t, p.a, "time-wait-evicted", n-limit)
		if used := p.a.Stats()["memory-used"]; used > budget/4 || used < budget/4-buffer.PageSize {
			t.Errorf("%d bytes are in use, want a quarter of %d", used, budget)
		}
		time.Sleep(time.Minute)
		wantCount(t, p.a, "connections", 0)
		wantCount(t, p.a, "memory-used", 0)
	})
}
