package lists

import "sync"

// Bounded is a list of a limited number of objects, in the order in which they were added. Its methods may be called by
// several goroutines at once.
type Bounded[T any, P linked[T]] struct {
	Limit int // largest number of objects

	mu   sync.Mutex
	list Linked[T, P]
}

// Len returns the number of objects.
func (b *Bounded[T, P]) Len() int { return b.list.Len() }

// Add adds x as the newest. If there are more objects than the limit, it removes and returns the oldest, and nil
// otherwise.
func (b *Bounded[T, P]) Add(x *T) (evicted *T) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.list.Push(x)
	if b.list.Len() > b.Limit {
		return b.list.Pop()
	}
	return nil
}

// Contains reports whether x, which is in no other list, is in this one.
func (b *Bounded[T, P]) Contains(x *T) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.list.Contains(x)
}

// Remove removes x, if it is in the list.
func (b *Bounded[T, P]) Remove(x *T) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.list.Remove(x)
}
