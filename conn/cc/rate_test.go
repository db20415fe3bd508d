package cc

import (
	"math"
	"testing"
	"time"
)

func TestRate(t *testing.T) {
	const mbit = Rate(125_000)
	for _, c := range []struct {
		name      string
		got, want int64
	}{
		{"100 Mbit/s", int64(RateOf(500_000, 40*time.Millisecond)), int64(100 * mbit)},
		{"nothing", int64(RateOf(0, time.Second)), 0},
		{"no time", int64(RateOf(1, 0)), 0},
		{"too much", int64(RateOf(math.MaxInt64, 1)), MaxWindow},
		{"a millisecond of it", (100 * mbit).Bytes(time.Millisecond), 12_500},
		{"no time of it", (100 * mbit).Bytes(-time.Second), 0},
		{"far too long", Rate(MaxWindow).Bytes(math.MaxInt64), MaxWindow},
		{"a segment's time", int64((100 * mbit).Time(1250)), int64(100 * time.Microsecond)},
		{"a segment's time at no rate", int64(Rate(0).Time(1250)), 0},
		{"forever", int64(Rate(1).Time(math.MaxInt64)), MaxWindow},
		{"six fifths", int64((100 * mbit).Times(6, 5)), int64(120 * mbit)},
		{"of the most", int64(Rate(MaxWindow).Times(2, 1)), MaxWindow},
	} {
		if c.got != c.want {
			t.Errorf("%s: %d, want %d", c.name, c.got, c.want)
		}
	}
}
