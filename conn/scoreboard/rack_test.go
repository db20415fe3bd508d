package scoreboard

import (
	"testing"
	"time"

	"minitcp/conn/seq"
)

// The window for reordering grows by a quarter of the round trip with every round trip that brings a D-SACK, to no more
// than the smoothed one, and is forgotten after sixteen episodes without (RFC 8985 6.2, step 4).
func TestReorderWindow(t *testing.T) {
	const rtt = 100 * time.Millisecond
	var rack RACK
	var r Reordering
	dsack := func(una, nxt seq.Offset) {
		if rack.CountDSACK(una, nxt) {
			r.Widen()
		}
	}
	want := func(quarters time.Duration) {
		t.Helper()
		if got := r.Window(rtt, rtt); got != quarters*rtt/4 {
			t.Errorf("the window is %v, want %d quarters", got, quarters)
		}
	}
	want(1)
	dsack(1, 10001)
	want(2)
	dsack(5001, 15001) // the same round trip
	want(2)
	dsack(10001, 20001)
	want(3)
	for range 15 {
		r.EpisodeOver()
	}
	want(3)
	dsack(20001, 30001)
	want(4)
	dsack(30001, 40001)
	want(4) // all of the round trip
	for range 15 {
		r.EpisodeOver()
	}
	want(4)
	r.EpisodeOver()
	want(1)
}
