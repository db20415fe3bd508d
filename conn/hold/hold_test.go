package hold

import (
	"testing"
	"time"

	"minitcp/conn/clock"
)

const (
	second = clock.Time(time.Second)
	ms     = clock.Time(time.Millisecond)
)

// A probe is due every 700 ms, until Silence or the end.
func TestProbes(t *testing.T) {
	h := Begin(second)
	for i := clock.Time(1); i <= 9; i++ {
		at := second + i*700*ms
		if h.Deadline() != at || h.Advance(at-1) || h.ProbeDue {
			t.Fatalf("before probe %d the deadline is %v, a probe is due: %v; want %v, false", i, h.Deadline(), h.ProbeDue, at)
		}
		if h.Advance(at) || !h.ProbeDue {
			t.Fatalf("at %v no probe is due", at)
		}
		h.ProbeDue = false
	}
	h.Advance(second + 6999*ms)
	if h.Silence(); h.ProbeDue || h.Deadline() != 8*second {
		t.Errorf("after Silence a probe is due: %v, deadline %v; want false, 8 s", h.ProbeDue, h.Deadline())
	}
	if h.Advance(8*second-1) || !h.Advance(8*second) {
		t.Error("the peer has not given up 7 s after its only SYN, or before")
	}
}

// The peer has given up when it has been silent for 7 s, and for 7 times the interval between its last SYNs.
func TestGiveUp(t *testing.T) {
	for _, c := range []struct {
		name string
		syns []clock.Time // times of the retransmissions
		want clock.Time
	}{
		{"one SYN", nil, 7 * second},
		{"an interval of less than a second", []clock.Time{500 * ms}, 7500 * ms},
		{"intervals of 1 and 2 s", []clock.Time{second, 3 * second}, 17 * second},
		{"a shorter interval after a longer one", []clock.Time{4 * second, 5 * second}, 12 * second},
	} {
		h := Begin(0)
		h.Silence()
		for _, at := range c.syns {
			h.Repeated(at)
		}
		if h.Deadline() != c.want || h.Advance(c.want-1) || !h.Advance(c.want) {
			t.Errorf("%s: the peer has given up at %v, want %v", c.name, h.Deadline(), c.want)
		}
	}
}
