package conn

import "testing"

// TestPacedRoundTrip follows a connection with a round trip of 100 ms through slow start. Two initial windows leave at
// once while the congestion window is at most three of them, and one when it is larger. The rest of the window leaves
// at the rate of slow start, two windows in a round trip, by the timer alone.
func TestPacedRoundTrip(t *testing.T) {
	o := sackOne(t, Disabled)
	o.cfg.Pacing = Enabled
	o.write(repeat(100_000))
	if n := o.drain(); n != 10_000 {
		t.Fatalf("%d bytes at first, want 10000", n)
	}
	o.sleep(100 * ms)
	o.ack(9001) // something stays in flight
	if n := o.drain(); n != 18_000 {
		t.Fatalf("%d bytes in the second round trip, want 18000", n)
	}
	o.sleep(100 * ms)
	o.ack(27_001)
	start, sent := o.now, o.drain()
	if sent < 10_000 || sent > 12_000 {
		t.Errorf("%d bytes at once, want 10000 and a tick's worth", sent)
	}
	for o.c.active.timer.pace != Never {
		o.now = o.c.Deadline()
		o.c.Advance(o.now)
		n := o.drain()
		if sent += n; n > 2000 {
			t.Errorf("%d bytes at once", n)
		}
	}
	if took := o.now.Sub(start); sent != 36_000 || took < 30*ms || took > 37*ms { // 25000 bytes at 720 kB/s
		t.Errorf("%d bytes in %v, want 36000 in about 34 ms", sent, took)
	}
}

// A near path is not paced, however long a round trip takes because of other connections.
func TestNearPathIsNotPaced(t *testing.T) {
	const window = 40_000 // in the third round trip
	for _, near := range []bool{false, true} {
		o := sackOne(t, Disabled)
		o.cfg.Pacing = Enabled
		o.c.snd.near = near
		o.write(repeat(100_000))
		sent, last := 0, 0
		for range 3 {
			last = o.drain()
			if sent += last; last < window {
				o.sleep(100 * ms)
				o.ack(int64(sent) + 1)
			}
		}
		if (last == window) != near {
			t.Errorf("near %v: %d bytes at once, the window is %d", near, last, window)
		}
	}
}

// drain transmits all segments and returns the number of data bytes.
func (o *endpoint) drain() (n int) {
	o.t.Helper()
	for o.c.Transmit(o.now, 1, &o.last) {
		n += o.last.Len
		o.check()
	}
	return n
}
