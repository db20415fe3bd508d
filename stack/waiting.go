package stack

import (
	"sync/atomic"

	"minitcp/conn"
)

// waitingFrames answers: do frames wait in the device? Where they do, to let one more send would make others wait longer.
type waitingFrames []atomic.Int64 // by queue: when its last batch was taken if that was full, else 0

// note is called with each batch of a queue's: with a full one before it is handled, else afterwards.
func (w waitingFrames) note(queue uint8, now conn.Time, full bool) {
	q := &w[queue]
	switch {
	case full:
		q.Store(int64(max(now, 1)))
	case q.Load() != 0:
		q.Store(0)
	}
}

// idled reports whether a queue is empty. A full batch may have been the last for long.
func (s *Stack) idled(now conn.Time) bool {
	for i := range s.waiting {
		if at := s.waiting[i].Load(); at == 0 || now.Sub(conn.Time(at)) > batonTime {
			return true
		}
	}
	return false
}
