// Package hooks has lists of functions that are called with the events of a stack.
package hooks

import (
	"slices"
	"sync"
	"sync/atomic"
)

// List is a list of functions. The zero value is empty. Calls take no lock.
type List[T any] struct {
	mu      sync.Mutex
	all     []*func(T)
	present atomic.Pointer[[]*func(T)] // nil if there are none
}

// Add adds a function, until remove is called. A call that is in progress may end after remove has returned. Nil is not
// added.
func (l *List[T]) Add(f func(T)) (remove func()) {
	if f == nil {
		return func() {}
	}
	p := &f
	l.change(func(all []*func(T)) []*func(T) { return append(all, p) })
	return func() {
		l.change(func(all []*func(T)) []*func(T) {
			return slices.DeleteFunc(all, func(other *func(T)) bool { return other == p })
		})
	}
}

// change replaces the list, which calls may be reading.
func (l *List[T]) change(f func([]*func(T)) []*func(T)) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.all = f(slices.Clone(l.all))
	if len(l.all) == 0 {
		l.present.Store(nil)
		return
	}
	all := l.all
	l.present.Store(&all)
}

// Any reports whether there is a function.
func (l *List[T]) Any() bool { return l.present.Load() != nil }

// Call calls the functions, the first that was added first.
func (l *List[T]) Call(event T) {
	if all := l.present.Load(); all != nil {
		for _, f := range *all {
			(*f)(event)
		}
	}
}
