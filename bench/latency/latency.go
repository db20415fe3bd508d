// Package latency counts durations in a histogram of fixed size.
package latency

import (
	"math/bits"
	"sync/atomic"
	"time"
)

const (
	// subBits is the binary logarithm of the number of buckets for each power of two. A bucket is at most 1/64 wide of
	// the durations that it counts.
	subBits    = 6
	subBuckets = 1 << subBits
	buckets    = (64 - subBits) * subBuckets
)

// Histogram counts durations. Record may be called while another goroutine calls Counts. It does not allocate. The zero
// value is empty.
type Histogram struct{ counts [buckets]atomic.Int64 }

// Record counts d. A negative duration counts as zero.
func (h *Histogram) Record(d time.Duration) { h.counts[bucket(d)].Add(1) }

// Counts returns a copy of the counts so far.
func (h *Histogram) Counts() *Counts {
	c := new(Counts)
	for i := range h.counts {
		c[i] = h.counts[i].Load()
	}
	return c
}

// Counts is a copy of a Histogram: the number of durations in each bucket.
type Counts [buckets]int64

// Since returns the durations that are in c and not in earlier, an older copy of the same Histogram.
func (c *Counts) Since(earlier *Counts) *Counts {
	d := new(Counts)
	for i := range c {
		d[i] = c[i] - earlier[i]
	}
	return d
}

// Summary is the distribution of a number of durations. It is comparable, and zero if there are none.
type Summary struct {
	N                  int64
	P50, P95, P99, Max time.Duration
}

// Summary returns the distribution, each duration rounded up to the end of its bucket.
func (c *Counts) Summary() (s Summary) {
	for _, n := range c {
		s.N += n
	}
	s.P50, s.P95, s.P99, s.Max = c.quantile(s.N, 50), c.quantile(s.N, 95), c.quantile(s.N, 99), c.quantile(s.N, 100)
	return s
}

// quantile returns the least duration that percent of all n durations do not exceed.
func (c *Counts) quantile(n int64, percent int64) time.Duration {
	rank := (n*percent + 99) / 100
	for i, in := range c {
		if rank -= in; in > 0 && rank <= 0 {
			return upper(i)
		}
	}
	return 0
}

// bucket returns the index of the bucket that counts d.
func bucket(d time.Duration) int {
	v := uint64(max(0, d))
	shift := max(0, bits.Len64(v)-subBits-1)
	return shift<<subBits + int(v>>shift)
}

// upper returns the largest duration that the bucket counts.
func upper(i int) time.Duration {
	if i < 2*subBuckets {
		return time.Duration(i)
	}
	shift := i>>subBits - 1
	return time.Duration((uint64(i-shift<<subBits)+1)<<shift - 1)
}
