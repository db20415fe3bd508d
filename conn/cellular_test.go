package conn_test

import (
	"slices"
	"testing"
	"time"

	"minitcp/conn"
	"minitcp/conn/conntest"
	"minitcp/conn/netem"
)

// BBR follows a path whose rate varies as that of a cellular network does: its queue is short most of the time, and the
// path is in use: not all of it, because the line loses the room that no packet uses. With a bandwidth filter that does
// not age while a queue stands, the median of the round trip is 567 ms and the 95th percentile 3.2 s.
func TestBBRCellular(t *testing.T) {
	const (
		mean  = 500_000 // bytes per second
		rtt   = 50 * time.Millisecond
		lasts = time.Minute
		seeds = 8
	)
	var delays []time.Duration
	carried, received := 0, 0
	for seed := range uint64(seeds) {
		rates := conntest.Cellular(seed, mean, lasts)
		for _, rate := range rates {
			carried += rate / 10
		}
		link := conntest.Link{Delay: rtt / 2, Trace: netem.TraceOf(rates), Queue: 4 * mean}
		b := newBulkOver(seed, conn.BBR, link)
		for next := conn.Time(0); b.pair.Now < conn.Time(lasts); {
			if !b.pair.Step() {
				t.Fatal(b.pair.Run(0))
			}
			for ; next <= b.pair.Now; next = next.Add(10 * time.Millisecond) {
				delays = append(delays, rtt+b.pair.QueueDelay(b.pair.A))
			}
		}
		received += b.received
	}
	slices.Sort(delays)
	median, late := delays[len(delays)/2], delays[len(delays)*95/100]
	used := float64(received) / float64(carried)
	if median > 320*time.Millisecond || late > 1600*time.Millisecond || used < 0.87 {
		t.Errorf("round trips of %v, 95th percentile %v, and %.1f %% of the path used; want 320ms, 1.6s, 87 %%", median, late, 100*used)
	}
}
