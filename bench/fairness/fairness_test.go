package fairness

import (
	"testing"
	"testing/synctest"
	"time"
)

const ms = time.Millisecond

// Jain's index is the mean of the windows' indices, and a pause is the longest of any flow, also one that has not
// ended.
func TestTally(t *testing.T) {
	type sample struct {
		at     time.Duration
		counts []int64
	}
	for _, test := range []struct {
		name    string
		samples []sample
		want    Result
	}{
		{"no flows", []sample{{0, nil}, {100 * ms, nil}}, Result{}},
		{"nothing received", []sample{{0, []int64{5, 5}}, {100 * ms, []int64{5, 5}}}, Result{Flows: 2, Pause: 100 * ms}},
		{"all the same", []sample{{0, []int64{0, 5}}, {100 * ms, []int64{7, 12}}}, Result{Flows: 2, Jain: 1}},
		{"one has all", []sample{{0, []int64{0, 0}}, {100 * ms, []int64{7, 0}}}, Result{Flows: 2, Jain: 0.5, Pause: 100 * ms}},
		{"a window of each", []sample{{0, []int64{0, 0}}, {50 * ms, []int64{1, 0}}, {100 * ms, []int64{7, 0}}, {200 * ms, []int64{9, 2}}},
			Result{Flows: 2, Jain: 0.75, Pause: 100 * ms}},
		{"a window that has not ended", []sample{{0, []int64{0, 0}}, {100 * ms, []int64{1, 1}}, {190 * ms, []int64{9, 1}}},
			Result{Flows: 2, Jain: 1, Pause: 90 * ms}},
		{"flows that begin later", []sample{{0, nil}, {100 * ms, []int64{3}}, {150 * ms, []int64{4, 9}}, {200 * ms, []int64{5, 10}}},
			Result{Flows: 2, Jain: 0.9, Pause: 0}},
	} {
		t.Run(test.name, func(t *testing.T) {
			var y tally
			for _, s := range test.samples {
				y.sample(s.at, s.counts)
			}
			if got := y.result(); got != test.want {
				t.Errorf("got %+v, want %+v", got, test.want)
			}
		})
	}
}

func TestWatch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var flows Flows
		a := flows.New()
		w := flows.Watch()
		b := flows.New() // accepted after the observation has begun
		for range 100 {
			a.Add(1000)
			b.Add(1000)
			time.Sleep(10*ms + 1)
		}
		time.Sleep(300 * ms)
		got := w.Stop()
		if got.Flows != 2 || got.Jain != 1 || got.Pause < 290*ms || got.Pause > 320*ms {
			t.Errorf("of two equal flows that pause for 300 ms at the end: %+v", got)
		}
	})
}
