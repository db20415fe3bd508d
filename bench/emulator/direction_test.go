package emulator

import (
	"fmt"
	"math"
	"slices"
	"testing"
	"time"
)

const ms = time.Millisecond

// play sends packets of 1000 bytes, each named by its number, at the given times, and returns
// when each arrived, 0 if it did not.
func play(t *testing.T, d *Direction, at ...time.Duration) []time.Duration {
	t.Helper()
	arrived := make([]time.Duration, len(at))
	deliver := func(until time.Duration) {
		for {
			next, ok := d.Next()
			if !ok || next > until {
				if p := d.Take(until); p != nil {
					t.Errorf("Take returned a packet before the time of Next")
				}
				return
			}
			arrived[d.Take(next)[0]] = next
		}
	}
	for i, now := range at {
		deliver(now)
		packet := make([]byte, 1000)
		packet[0] = byte(i)
		d.Arrive(now, packet, func([]byte) {})
	}
	deliver(time.Hour)
	return arrived
}

func TestDirection(t *testing.T) {
	const rate = 8e6 // 1000 bytes in a millisecond
	for _, test := range []struct {
		name string
		cfg  Config
		at   []time.Duration
		want []time.Duration
	}{
		{"no limits", Config{}, []time.Duration{1, 1, 5}, []time.Duration{1, 1, 5}},
		{"delay", Config{Delay: 20 * ms}, []time.Duration{1, 2}, []time.Duration{20*ms + 1, 20*ms + 2}},
		{"rate", Config{Rate: rate, Delay: 20 * ms}, []time.Duration{ms, ms, ms, 9 * ms}, []time.Duration{22 * ms, 23 * ms, 24 * ms, 30 * ms}},
		{"a queue of one packet", Config{Rate: rate, QueuePackets: 1}, []time.Duration{ms, ms, ms, 2 * ms, 2 * ms},
			[]time.Duration{2 * ms, 3 * ms, 0, 4 * ms, 0}},
		{"a queue of 2 ms", Config{Rate: rate, QueueTime: 2 * ms}, []time.Duration{ms, ms, ms, ms, 2*ms - 1, 2 * ms},
			[]time.Duration{2 * ms, 3 * ms, 4 * ms, 0, 0, 5 * ms}},
		{"all lost, and yet on the line", Config{Rate: rate, QueuePackets: 1, Loss: 1}, []time.Duration{ms, ms, ms}, []time.Duration{0, 0, 0}},
		{"all late", Config{Reorder: 1, ReorderBy: 10 * ms}, []time.Duration{ms, 2 * ms}, []time.Duration{11 * ms, 12 * ms}},
	} {
		t.Run(test.name, func(t *testing.T) {
			if got := play(t, NewDirection(test.cfg), test.at...); !slices.Equal(got, test.want) {
				t.Errorf("arrived at %v, want %v", got, test.want)
			}
		})
	}
}

// steady returns the times of n packets, one each millisecond.
func steady(n int) (at []time.Duration) {
	for i := range n {
		at = append(at, time.Duration(i+1)*ms)
	}
	return at
}

func TestFaults(t *testing.T) {
	lost := func(seed uint64, loss float64) (numbers []int) {
		d := NewDirection(Config{Loss: loss, Seed: seed})
		for i, at := range play(t, d, steady(200)...) {
			if at == 0 {
				numbers = append(numbers, i)
			}
		}
		if int(d.Lost) != len(numbers) || d.Sent != 200 || d.Dropped != 0 {
			t.Errorf("%d did not arrive: %+v", len(numbers), d.Stats)
		}
		return numbers
	}
	some := lost(1, 0.1)
	if len(some) < 10 || len(some) > 35 {
		t.Errorf("%d of 200 lost, of which 10 %% should be", len(some))
	}
	if again := lost(1, 0.1); !slices.Equal(again, some) {
		t.Errorf("the same seed loses %v, then %v", some, again)
	}
	if other := lost(2, 0.1); slices.Equal(other, some) {
		t.Error("another seed loses the same")
	}
	for _, i := range some {
		if more := lost(1, 0.2); !slices.Contains(more, i) {
			t.Errorf("packet %d is lost with 10 %%, but not with 20 %%", i)
		}
	}
}

func TestReordering(t *testing.T) {
	d := NewDirection(Config{Delay: 20 * ms, Reorder: 0.05, ReorderBy: 10 * ms, Jitter: ms / 2, Seed: 3})
	late := 0
	for i, at := range play(t, d, steady(200)...) {
		switch over := at - time.Duration(i+1)*ms - 20*ms; {
		case over >= 0 && over <= ms/2:
		case over >= 10*ms && over <= 10*ms+ms/2:
			late++
		default:
			t.Errorf("packet %d was late by %v", i, over)
		}
	}
	if late < 3 || late > 25 || int(d.Reordered) != late {
		t.Errorf("%d of 200 were late, %d counted; 5 %% should be", late, d.Reordered)
	}
}

// A line carries its rate in a second, with packets of any sizes.
func TestRate(t *testing.T) {
	d := NewDirection(Config{Rate: 100e6, QueueTime: 10 * ms})
	bytes := 0
	for now, i := time.Duration(0), 0; now < time.Second; now, i = now+50*time.Microsecond, i+1 {
		d.Arrive(now, make([]byte, 40+(i*97)%1461), func([]byte) {})
		if wait := d.Wait(now); wait > 10*ms+d.time(1500) {
			t.Fatalf("a wait of %v", wait)
		}
		for p := d.Take(now); p != nil; p = d.Take(now) {
			bytes += len(p)
		}
	}
	if got := float64(bytes) * 8; math.Abs(got-100e6) > 0.01*100e6 {
		t.Errorf("%.0f bits in a second", got)
	}
	if d.Dropped == 0 {
		t.Error("nothing was dropped")
	}
}

func TestTransit(t *testing.T) {
	var tr transit
	for i := range 1000 {
		tr.push(time.Duration(i*7919%101), []byte(fmt.Sprint(i)))
	}
	last := underway{at: -1}
	for len(tr.packets) > 0 {
		first := tr.packets[0]
		if !last.before(&first) {
			t.Fatalf("%v, number %d, after %v, number %d", first.at, first.number, last.at, last.number)
		}
		if got := tr.pop(); string(got) != fmt.Sprint(first.number-1) {
			t.Fatalf("pop gave %s for number %d", got, first.number)
		}
		last = first
	}
}
