package latency

import (
	"math"
	"testing"
	"time"
)

// Buckets are adjacent, and each is at most 1/64 wide of its largest duration.
func TestBuckets(t *testing.T) {
	for i := range buckets {
		last := upper(i)
		if bucket(last) != i {
			t.Fatalf("bucket(%d) = %d, want %d", last, bucket(last), i)
		}
		if last == math.MaxInt64 {
			if i != buckets-1 {
				t.Fatalf("the largest duration is in bucket %d of %d", i, buckets)
			}
			break
		}
		if next := bucket(last + 1); next != i+1 {
			t.Fatalf("bucket(%d) = %d, want %d", last+1, next, i+1)
		}
		if first := upper(max(0, i-1)) + 1; i > 0 && float64(last-first) > float64(last)/subBuckets {
			t.Fatalf("bucket %d counts %d to %d", i, first, last)
		}
	}
	if got := bucket(-time.Second); got != 0 {
		t.Errorf("a negative duration is in bucket %d, want 0", got)
	}
}

func TestSummary(t *testing.T) {
	var h Histogram
	h.Record(time.Hour) // before the measurement
	before := h.Counts()
	if got := before.Since(before).Summary(); got != (Summary{}) {
		t.Errorf("nothing recorded: %+v", got)
	}
	for i := range 1000 {
		h.Record(time.Duration(i + 1))
	}
	got := h.Counts().Since(before).Summary()
	want := Summary{N: 1000, P50: upper(bucket(500)), P95: upper(bucket(950)), P99: upper(bucket(990)), Max: upper(bucket(1000))}
	if got != want {
		t.Errorf("of 1 to 1000 ns: %+v, want %+v", got, want)
	}
	if got.P50 < 500 || got.P50 > 508 || got.Max < 1000 || got.Max > 1016 {
		t.Errorf("of 1 to 1000 ns, within 1/64: %+v", got)
	}
}

func TestRecordAllocatesNothing(t *testing.T) {
	var h Histogram
	if n := testing.AllocsPerRun(100, func() { h.Record(time.Millisecond) }); n != 0 {
		t.Errorf("Record allocates %v times", n)
	}
}
