package lists

import (
	"sync"
	"sync/atomic"

	"golang.org/x/sys/cpu"
)

// Sharded is a set of objects in several lists, each with a lock of its own, so that goroutines that use different
// lists rarely wait for each other. Its methods may be called by several goroutines at once. An object is given with
// the number of its list, which does not change.
type Sharded[T any, P linked[T]] struct {
	count  atomic.Int32 // of all lists, and those that Reserve has counted
	shards []shard[T, P]
}

type shard[T any, P linked[T]] struct {
	mu     sync.Mutex
	closed bool
	list   Linked[T, P]
	_      cpu.CacheLinePad
}

// Init makes a zero Sharded one of n lists.
func (s *Sharded[T, P]) Init(n int) { s.shards = make([]shard[T, P], n) }

// Len returns the number of objects, including those that Reserve has counted.
func (s *Sharded[T, P]) Len() int { return int(s.count.Load()) }

// Reserve counts an object that Add or Cancel gets next. It returns false, and counts nothing, if there are most
// already.
func (s *Sharded[T, P]) Reserve(most int) bool {
	for {
		n := s.count.Load()
		if int(n) >= most {
			return false
		}
		if s.count.CompareAndSwap(n, n+1) {
			return true
		}
	}
}

// Cancel undoes Reserve.
func (s *Sharded[T, P]) Cancel() { s.count.Add(-1) }

// Add adds an object that Reserve has counted. After Close, it cancels that and returns false.
func (s *Sharded[T, P]) Add(list int, x *T) bool {
	l := &s.shards[list]
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		s.Cancel()
		return false
	}
	l.list.Push(x)
	return true
}

// Remove removes x, if it is in its list.
func (s *Sharded[T, P]) Remove(list int, x *T) {
	l := &s.shards[list]
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.list.Contains(x) {
		l.list.Remove(x)
		s.count.Add(-1)
	}
}

// Excess removes and returns an object if there are more than most: the oldest in the list of x, or in the next list
// that has one, except for x itself. Several goroutines together remove no more than there are too many.
func (s *Sharded[T, P]) Excess(list int, x *T, most int) *T {
	for {
		n := s.count.Load()
		if int(n) <= most {
			return nil
		}
		if s.count.CompareAndSwap(n, n-1) {
			break
		}
	}
	for i := range s.shards {
		if o := s.shards[(list+i)%len(s.shards)].pop(x); o != nil {
			return o
		}
	}
	s.count.Add(1) // the others have been removed meanwhile
	return nil
}

// Close makes Add fail, and calls drop with every object, after it has been removed.
func (s *Sharded[T, P]) Close(drop func(*T)) {
	for i := range s.shards {
		l := &s.shards[i]
		l.mu.Lock()
		l.closed = true
		l.mu.Unlock()
		for x := l.pop(nil); x != nil; x = l.pop(nil) {
			s.count.Add(-1)
			drop(x)
		}
	}
}

// pop removes and returns the oldest object. It returns nil if that is kept, or if there is none.
func (l *shard[T, P]) pop(kept *T) *T {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.list.Oldest() == kept {
		return nil
	}
	return l.list.Pop()
}
