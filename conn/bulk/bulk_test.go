package bulk

import (
	"testing"
	"time"

	"minitcp/conn/clock"
)

// number is a Counter.
type number int64

func (n *number) Add(change int64) int64 { *n += number(change); return int64(*n) }

func (n *number) Load() int64 { return int64(*n) }

// A receiver counts once, until 5 s have passed without a round trip of 64 KiB.
func TestReceiver(t *testing.T) {
	var count number
	var r Receiver
	r.End(&count)
	for _, step := range []struct {
		at   time.Duration
		n    int
		want number
	}{
		{0, 64<<10 - 1, 0}, {0, 64 << 10, 1}, {time.Second, 1 << 20, 1}, {6 * time.Second, 0, 1}, {6*time.Second + 1, 64<<10 - 1, 0},
		{7 * time.Second, 0, 0}, {8 * time.Second, 64 << 10, 1},
	} {
		if r.Note(clock.Time(step.at), step.n, &count); count != step.want {
			t.Errorf("after %d bytes at %v the count is %d, want %d", step.n, step.at, count, step.want)
		}
	}
	for range 2 {
		if r.End(&count); count != 0 {
			t.Errorf("after the end the count is %d, want 0", count)
		}
	}
}

func TestShare(t *testing.T) {
	for _, c := range []struct {
		count       number
		limit, want int
	}{
		{0, 8 << 20, 8 << 20}, {1, 8 << 20, 8 << 20}, {2, 8 << 20, 2 << 20}, {2, 1 << 20, 1 << 20}, {7, 1 << 20, 4 << 20 / 7},
		{32, 1 << 20, 128 << 10}, {1000, 1 << 20, 128 << 10}, {1000, 128 << 10, 128 << 10}, {1000, 2048, 2048},
	} {
		if got := Share(c.limit, &c.count); got != c.want {
			t.Errorf("among %d a limit of %d bytes is %d, want %d", c.count, c.limit, got, c.want)
		}
	}
	if got := Share(1<<20, None{}); got != 1<<20 || (None{}).Add(1) != 0 {
		t.Errorf("without a count a limit of 1 MiB is %d", got)
	}
}
