package timestamps

import (
	"testing"
	"time"

	"minitcp/conn/clock"
)

// A timestamp is older than TS.Recent for 24 days only, and then takes its place (RFC 7323 5.5).
func TestState(t *testing.T) {
	const day = 24 * time.Hour
	for _, test := range []struct {
		after  time.Duration
		tsval  uint32
		older  bool
		recent uint32
	}{
		{0, 100, false, 100}, {0, 101, false, 101}, {0, 99, true, 100},
		{0, 100 + 1<<31 - 1, false, 100 + 1<<31 - 1}, {0, 100 + 1<<31 + 1, true, 100},
		{24*day - 1, 99, true, 100}, {24 * day, 99, false, 99}, {24 * day, 100, false, 100},
	} {
		begin := clock.Time(time.Hour)
		var r State
		r.Take(begin, 100)
		now := begin.Add(test.after)
		if older := r.Older(now, test.tsval); older != test.older {
			t.Errorf("after %v %d is older %v, want %v", test.after, test.tsval, older, test.older)
		}
		if r.Update(now, test.tsval); r.Recent != test.recent {
			t.Errorf("after %v and %d TS.Recent is %d, want %d", test.after, test.tsval, r.Recent, test.recent)
		}
	}
}

// The TSVal stands still for a second at most.
func TestHold(t *testing.T) {
	s := Sent{Last: 1<<32 - 500}
	for _, test := range []struct {
		clock, want uint32
		held        bool
	}{{1<<32 - 500, 1<<32 - 500, false}, {1<<32 - 1, 1<<32 - 500, true}, {500, 1<<32 - 500, true}, {501, 501, false}} {
		if got := s.Hold(test.clock); got != test.want || s.Held(got) != test.held {
			t.Errorf("at %d the TSVal is %d, held %v, want %d, %v", test.clock, got, s.Held(got), test.want, test.held)
		}
	}
}

// An echo that repeats that of the ACK before measures nothing.
func TestEchoed(t *testing.T) {
	var s Sent
	for _, test := range []struct {
		echo  uint32
		fresh bool
	}{{7, true}, {7, false}, {9, true}, {9, false}, {7, true}} {
		if got := s.Echoed(test.echo); got != test.fresh {
			t.Errorf("%d is fresh: %v, want %v", test.echo, got, test.fresh)
		}
	}
}
