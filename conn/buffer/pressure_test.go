package buffer

import "testing"

func TestLevelString(t *testing.T) {
	for level, want := range map[Level]string{NoPressure: "none", Scarce: "scarce", Exhausted: "exhausted", Spent: "spent", 9: "unknown"} {
		if got := level.String(); got != want {
			t.Errorf("level %d is %q, want %q", uint8(level), got, want)
		}
	}
}

// A consumer that has taken some bytes may have twice as many in its buffer, and while memory is plenty an initial
// window. The share of all buffers limits that, but only while memory is exhausted to less than 64 KiB.
func TestMovingShare(t *testing.T) {
	for _, test := range []struct {
		level Level
		share int
		taken int64
		want  int
	}{
		{NoPressure, 1 << 20, 0, 14 << 10}, {Scarce, 1 << 20, 0, 0}, {Exhausted, 1 << 20, 0, 0},
		{NoPressure, 1 << 20, 100 << 10, 200 << 10}, {Scarce, 1 << 20, 100 << 10, 200 << 10}, {Exhausted, 1 << 20, 100 << 10, 200 << 10},
		{NoPressure, 0, 1 << 20, 64 << 10}, {Scarce, 0, 1 << 20, 64 << 10}, {Exhausted, 0, 1 << 20, 0},
		{NoPressure, 100 << 10, 1 << 40, 100 << 10}, {Scarce, 100 << 10, 1 << 40, 100 << 10}, {Exhausted, 100 << 10, 1 << 40, 100 << 10},
	} {
		if got := MovingShare(test.level, test.share, test.taken); got != test.want {
			t.Errorf("level %v, share %d, %d bytes taken: %d, want %d", test.level, test.share, test.taken, got, test.want)
		}
	}
	for share, want := range map[int]int{0: 4 << 10, 5000: 5000} {
		if got := StalledShare(sharePressure(share)); got != want {
			t.Errorf("the share of a stalled consumer is %d, want %d", got, want)
		}
	}
}

// sharePressure is a Pressure whose shares are all its value.
type sharePressure int

func (sharePressure) Level() Level               { return NoPressure }
func (s sharePressure) Share() int               { return int(s) }
func (s sharePressure) BufferShare(Progress) int { return int(s) }
