package conn

import (
	"testing"
	"time"
)

// The sender begins with ten segments, doubles its window in each round trip up to the threshold, and adds one segment
// per round trip beyond it. A timeout leaves one segment and half the threshold.
//
// Shows: MUST-19.
func TestSlowStartAndCongestionAvoidance(t *testing.T) {
	o := established(t, Config{CongestionControl: Reno, SendBuffer: 1 << 20})
	o.write(repeat(1 << 20))
	una := int64(1)
	// round sends as much as the window permits, and acknowledges it segment by segment.
	round := func(lost bool) (segments int) {
		for o.c.Transmit(o.now, 1, &o.last) {
		}
		end := int64(o.c.snd.nxt)
		segments = int(end-una) / 1460
		if lost {
			return segments
		}
		o.now = o.now.Add(10 * time.Millisecond)
		for una < end {
			una += 1460
			o.in(segment{flags: ack, seq: 1, ack: una})
			for o.c.Transmit(o.now, 1, &o.last) {
			}
		}
		return segments
	}
	for i, want := range []int{10, 20, 40} {
		if got := round(false); got != want {
			t.Errorf("round %d: %d segments, want %d", i+1, got, want)
		}
	}
	before := round(true)
	o.now = o.c.Deadline()
	o.c.Advance(o.now)
	if got := o.c.Info(o.now).SlowStartThreshold; got != int64(before/2)*1460 {
		t.Errorf("with %d segments in flight the threshold is %d bytes", before, got)
	}
	n := 0
	for o.c.Transmit(o.now, 1, &o.last) {
		n++
	}
	if n != 1 {
		t.Errorf("after a timeout %d segments at once", n)
	}
	// All segments but the first have arrived.
	una = int64(o.c.snd.max)
	o.in(segment{flags: ack, seq: 1, ack: una})
	threshold := before / 2
	last := 0
	for range 100 {
		got := round(false)
		switch {
		case last == 0:
		case last >= threshold && got != last+1:
			t.Errorf("beyond the threshold, %d segments after %d", got, last)
		case last < threshold && got != min(2*last, threshold):
			t.Errorf("before the threshold of %d, %d segments after %d", threshold, got, last)
		}
		if last = got; last == threshold+3 {
			return
		}
	}
	t.Errorf("after 100 round trips %d segments are sent at once", last)
}
