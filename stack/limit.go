package stack

import (
	"sync/atomic"
	"time"

	"minitcp/conn"
)

// rateLimit lets so many events pass per second, and a burst of as many as come in a tenth of one. It is a token
// bucket written as the time at which the bucket will be full again.
type rateLimit struct {
	interval conn.Time // one event's
	burst    conn.Time
	full     atomic.Int64
}

func newRateLimit(perSecond int) *rateLimit {
	interval := conn.Time(max(1, int64(time.Second)/int64(perSecond)))
	return &rateLimit{interval: interval, burst: max(interval, conn.Time(100*time.Millisecond))}
}

func (l *rateLimit) allow(now conn.Time) bool {
	for {
		full := l.full.Load()
		next := max(conn.Time(full), now) + l.interval
		if next > now+l.burst {
			return false
		}
		if l.full.CompareAndSwap(full, int64(next)) {
			return true
		}
	}
}
