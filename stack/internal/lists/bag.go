package lists

import (
	"maps"
	"slices"
	"sync"
	"sync/atomic"
)

// Bag holds objects until another goroutine takes all of them. It may be used by several goroutines at once. The zero
// value is empty. An empty Bag costs Take no lock.
type Bag[T comparable] struct {
	some  atomic.Bool // items is not empty
	mu    sync.Mutex
	items map[T]struct{}
}

// Add adds an object, unless the bag holds it.
func (b *Bag[T]) Add(x T) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.items == nil {
		b.items = make(map[T]struct{})
	}
	b.items[x] = struct{}{}
	b.some.Store(true)
}

// Remove removes an object, if the bag holds it.
func (b *Bag[T]) Remove(x T) {
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.items, x)
}

// Len returns the number of objects.
func (b *Bag[T]) Len() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.items)
}

// Take empties the bag and returns its objects in no order.
func (b *Bag[T]) Take() []T {
	if !b.some.Load() {
		return nil
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	all := slices.Collect(maps.Keys(b.items))
	b.items = nil
	b.some.Store(false)
	return all
}
