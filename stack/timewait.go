package stack

import (
	"sync"

	"minitcp/conn"
	"minitcp/stack/internal/counters"
)

// timeWaits lists the entries in TIME-WAIT in the order in which they entered it, and limits their number.
type timeWaits struct {
	limit int // Config.MaxTimeWait

	mu   sync.Mutex
	list entryList
}

// add appends e. If there are more entries than the limit, it removes and returns the oldest, and nil otherwise.
func (t *timeWaits) add(e *entry) (evicted *entry) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.list.Push(e)
	if t.list.Len() > t.limit {
		return t.list.Pop()
	}
	return nil
}

// contains reports whether e, which is in TIME-WAIT, is still in the list.
func (t *timeWaits) contains(e *entry) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.list.Contains(e)
}

// remove removes e, if it is in the list.
func (t *timeWaits) remove(e *entry) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.list.Remove(e)
}

// remember adds e, which has entered TIME-WAIT and whose mu is held. If there are too many entries, the oldest ends
// with the next tick of its wheel, because its mu must not be locked here.
func (s *Stack) remember(now conn.Time, e *entry) {
	if oldest := s.timeWaits.add(e); oldest != nil {
		s.totals.Count(counters.TimeWaitEvicted)
		s.wheels[oldest.wheel].Arm(&oldest.timer, now)
	}
}
