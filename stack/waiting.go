package stack

import "sync/atomic"

// waitingFrames answers: do frames wait in the device? Where they do, nobody is to be let send more.
type waitingFrames []atomic.Bool // by queue: its last batch was full

// note is called with each batch of a queue's. One that waits for a frame has noted that its last batch was not full.
func (w waitingFrames) note(queue uint8, full bool) {
	if q := &w[queue]; q.Load() != full {
		q.Store(full)
	}
}

// idled reports whether one of the queues in use has nothing that waits.
func (s *Stack) idled() bool {
	used := len(s.waiting)
	if s.spread != nil {
		used = int(s.spread.attached.Load())
	}
	for i := range used {
		if !s.waiting[i].Load() {
			return true
		}
	}
	return false
}
