// Package bulk divides receive window among the connections that receive bulk data over near paths (see conn.Open).
// They share 4 MiB, about the size of a cache. On such a path the data that a window permits waits in the device's
// queue and in memory, not on the way, so a larger sum makes each byte cost more and does not make the path faster.
package bulk

import (
	"time"

	"minitcp/conn/clock"
)

// Counter is a number that connections share. The *atomic.Int64 of package sync/atomic is one.
type Counter interface {
	// Add adds change to the number and returns the sum.
	Add(change int64) int64
	// Load returns the number.
	Load() int64
}

// None is a Counter that is always 0.
type None struct{}

func (None) Add(int64) int64 { return 0 }
func (None) Load() int64     { return 0 }

const (
	// window is the sum of the receivers' windows in bytes.
	window = 4 << 20
	// leastWindow is the least window of a receiver in bytes: two GSO packets, one in flight and one to follow.
	leastWindow = 128 << 10
	// leastBytes is the least number of bytes that a receiver reads in a round trip.
	leastBytes = leastWindow / 2
	// lifetime is the time for which a connection counts as a receiver after a round trip with that many bytes.
	lifetime = 5 * time.Second
)

// Receiver records whether a connection counts as a receiver of bulk data.
type Receiver struct {
	since clock.Time // end of the last round trip with bulk data, 0: the connection does not count
}

// Note takes the number of bytes that the application has read in a round trip. It adds the connection to the count or,
// after lifetime, removes it.
func (r *Receiver) Note(now clock.Time, n int, count Counter) {
	switch {
	case n >= leastBytes:
		if r.since == 0 {
			count.Add(1)
		}
		r.since = max(now, 1)
	case r.since != 0 && now.Sub(r.since) > lifetime:
		r.End(count)
	}
}

// End removes the connection from the count.
func (r *Receiver) End(count Counter) {
	if r.since != 0 {
		r.since = 0
		count.Add(-1)
	}
}

// Share returns limit, or the share of a receiver if that is less.
func Share(limit int, count Counter) int {
	if limit <= leastWindow {
		return limit
	}
	if n := int(count.Load()); n > 1 {
		return min(limit, max(window/n, leastWindow))
	}
	return limit
}
