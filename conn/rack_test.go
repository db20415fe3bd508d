package conn

import (
	"slices"
	"testing"
	"time"

	"minitcp/conn/scoreboard"
	"minitcp/conn/wire"
)

// racks is a connection that has sent segments 1 to 10, of 1000 bytes, one per millisecond from 0 ms on, over a path of
// 100 ms. Times are since then.
type racks struct {
	*endpoint
	start Time
}

func newRacks(t *testing.T, timestamps Feature) *racks {
	t.Helper()
	r := &racks{endpoint: sackOne(t, timestamps)}
	r.start = r.now
	for range 10 {
		r.sends(1)
		r.sleep(ms)
	}
	return r
}

// sends writes n segments, and sends as many as may leave.
func (r *racks) sends(n int) {
	r.t.Helper()
	r.write(repeat(1000 * n))
	r.drain()
}

// at advances the time, stopping at every deadline.
func (r *racks) at(when time.Duration) {
	r.t.Helper()
	for d := r.c.Deadline(); d <= r.start.Add(when); d = r.c.Deadline() {
		r.now = max(r.now, d)
		r.c.Advance(r.now)
		r.check()
	}
	r.now = r.start.Add(when)
}

// arrived passes an ACK of the segments up to n, with SACK blocks for the ranges: the first segment of a range, the
// last one, and so on.
func (r *racks) arrived(n int64, ranges ...int64) {
	r.t.Helper()
	var blocks []int64
	for i := 0; i < len(ranges); i += 2 {
		blocks = append(blocks, 1000*ranges[i]-999, 1000*ranges[i+1]+1)
	}
	r.ack(1000*n+1, blocks...)
}

// lost expects these segments to be taken for lost, and not yet sent again.
func (r *racks) lost(want ...int64) {
	r.t.Helper()
	var got []int64
	for i := range r.c.active.sent.Len() {
		rec := r.c.active.sent.At(i)
		for o := rec.Start(); rec.State() == scoreboard.Lost && o < rec.End(); o += 1000 {
			got = append(got, int64(o+999)/1000)
		}
	}
	if !slices.Equal(got, want) {
		r.t.Fatalf("at %v %d are taken for lost, want %d", r.now.Sub(r.start), got, want)
	}
}

// waits expects the timer for reordering to run until then; 0: not at all.
func (r *racks) waits(until time.Duration) {
	r.t.Helper()
	want := Never
	if until != 0 {
		want = r.start.Add(until)
	}
	if got := r.c.active.timer.reorder; got != want {
		r.t.Fatalf("at %v it waits until %v, want %v", r.now.Sub(r.start), got.Sub(r.start), until)
	}
}

// The segments that are marked lost, and the times (RFC 8985 6.2). Segment n was sent at n-1 ms.
func TestRACK(t *testing.T) {
	for _, c := range []struct {
		name       string
		timestamps Feature
		run        func(r *racks)
	}{
		{"three that were sent later: at once", Disabled, func(r *racks) {
			r.at(101 * ms)
			r.arrived(0, 2, 2)
			r.waits(125 * ms) // sent at 0, a round trip, and a quarter
			r.at(102 * ms)
			r.arrived(0, 2, 3)
			r.lost()
			r.at(103 * ms)
			r.arrived(0, 2, 4)
			r.lost(1)
			r.waits(0)
		}},
		{"fewer: after a quarter of the round trip", Disabled, func(r *racks) {
			r.at(102 * ms)
			r.arrived(0, 3, 3)
			r.at(125*ms - 1)
			r.lost()
			r.waits(126 * ms) // for the second: one timer for both, RACK_detect_loss takes the latest
			r.at(126 * ms)
			r.lost(1, 2)
		}},
		{"no segment sent before it is lost", Disabled, func(r *racks) {
			r.at(104 * ms)
			r.arrived(0, 1, 4)
			r.waits(0)
			r.at(150 * ms)
			r.lost()
		}},
		{"all that were sent before, and none after", Disabled, func(r *racks) {
			r.at(108 * ms)
			r.arrived(1, 3, 3, 5, 5, 8, 8)
			r.lost(2, 4, 6, 7)
		}},
		{"a retransmission too", Disabled, func(r *racks) {
			r.at(103 * ms)
			r.arrived(0, 2, 4)
			r.lost(1)
			r.at(104 * ms)
			r.sends(5) // the first, and then new ones
			r.at(109 * ms)
			r.arrived(0, 2, 10)
			r.lost() // it was sent after all of these
			r.drain()
			r.at(209 * ms)
			r.arrived(0, 2, 11)
			r.lost(1)
		}},
		{"a retransmission that left at one instant with new data, but after it", Disabled, func(r *racks) {
			r.at(110 * ms)
			r.arrived(2)
			r.sends(1)
			r.arrived(2, 4, 10)
			r.lost(3)
			r.drain()
			r.at(210 * ms)
			r.arrived(2, 4, 11)
			r.lost()
			r.waits(0)
		}},
		{"and before it", Disabled, func(r *racks) {
			r.at(110 * ms)
			r.arrived(2)
			r.arrived(2, 4, 10)
			r.lost(3)
			r.drain()
			r.sends(1)
			r.at(210 * ms)
			r.arrived(2, 4, 11)
			r.lost(3)
		}},
		{"no new data that left at the instant of a retransmission: the ACK may be of the original", Disabled, func(r *racks) {
			r.at(110 * ms)
			r.arrived(2)
			r.sends(1)
			r.arrived(2, 4, 10)
			r.lost(3)
			r.drain()
			r.at(210 * ms)
			r.arrived(10)
			r.lost()
			r.waits(0)
		}},
		{"a retransmission that is acknowledged later than any round trip proves nothing", Disabled, func(r *racks) {
			r.at(103 * ms)
			r.arrived(0, 2, 4)
			r.lost(1)
			r.sends(5) // the first, and then new ones
			r.c.rtt.RTTVar = 10 * ms
			r.at(244 * ms)
			r.arrived(4) // the path has become longer
			r.lost()
			r.at(245 * ms)
			r.arrived(4, 6, 6)
			r.lost(5)
		}},
		{"once they have changed places, a quarter is waited always", Disabled, func(r *racks) {
			r.at(101 * ms)
			r.arrived(0, 2, 2)
			r.at(102 * ms)
			r.arrived(2) // it was only late
			r.at(105 * ms)
			r.arrived(2, 4, 6) // three after it
			r.waits(127 * ms)
			r.at(127*ms - 1)
			r.lost()
			r.at(127 * ms)
			r.lost(3)
		}},
		{"an original that comes late is no short round trip", Disabled, func(r *racks) { shortRetransmission(r) }},
		{"whatever timestamp it echoes (step 2)", Enabled, func(r *racks) { shortRetransmission(r) }},
	} {
		t.Run(c.name, func(t *testing.T) { c.run(newRacks(t, c.timestamps)) })
	}
}

// shortRetransmission: segment 1 was sent again 7 ms ago, which is less than any round trip.
func shortRetransmission(r *racks) {
	r.t.Helper()
	r.at(103 * ms)
	r.arrived(0, 2, 4)
	r.lost(1)
	r.drain()
	r.at(110 * ms)
	r.in(segment{flags: ack, seq: 1, ack: 4001, options: r.echo(wire.Options{}, 0)})
	if got := r.c.active.rack.RTT; got != 100*ms {
		r.t.Errorf("the round trip is %v, want that of segment 4", got)
	}
}
