package stack

import (
	"slices"
	"sync"
	"testing"
	"time"

	"minitcp/conn"
	"minitcp/stack/stacktest"
)

// TestPacing sends half a megabyte over a path of 40 ms and counts the segments that leave at one instant. With
// pacing, the bucket gathers two initial windows at the most, 20 segments; the ACKs of that instant raise the rate by
// up to a half, and with it the number that leaves for the same time, to 32 with a tick's worth. Without pacing, ACKs
// let the window go at once.
func TestPacing(t *testing.T) {
	for _, c := range []struct {
		pacing conn.Feature
		burst  func(segments int) bool
	}{
		{conn.Enabled, func(n int) bool { return n <= 32 }},
		{conn.Disabled, func(n int) bool { return n >= 40 }},
	} {
		within(t, func(t *testing.T) {
			cfg := Config{Conn: conn.Config{Pacing: c.pacing}}
			p := newPairOn(t, stacktest.Config{Offload: stacktest.Plain}, cfg, cfg)
			sent := delay(p.da, p.db, 20*time.Millisecond)
			delay(p.db, p.da, 20*time.Millisecond)
			l := p.listen()
			client, server := p.connect(l)
			go sendAndClose(t, client, 1, 500_000)
			receiveAll(t, server, 1, 500_000)
			most, rounds := 0, sent()
			for _, n := range rounds[:len(rounds)-1] { // the last is the FIN's
				most = max(most, n)
			}
			if !c.burst(most) {
				t.Errorf("pacing %v: %d segments at once", c.pacing, most)
			}
			server.Close()
			client.Close()
		})
	}
}

// delay delays the frames that a device sends, and returns the number of frames that left at each instant.
func delay(from, to *stacktest.Device, d time.Duration) (sent func() []int) {
	var mu sync.Mutex
	var last time.Time
	var counts []int
	from.SetHook(func(frame []byte) stacktest.Fate {
		mu.Lock()
		defer mu.Unlock()
		if now := time.Now(); !now.Equal(last) {
			last = now
			counts = append(counts, 0)
		}
		counts[len(counts)-1]++
		b := slices.Clone(frame)
		time.AfterFunc(d, func() { to.Inject(b) })
		return stacktest.Drop
	})
	return func() []int {
		mu.Lock()
		defer mu.Unlock()
		return slices.Clone(counts)
	}
}
