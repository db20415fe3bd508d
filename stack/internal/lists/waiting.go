package lists

import "sync"

// Waiting is a list of objects that wait, in order. An object is in it once at most. It needs no pointers in the
// objects: they have their place in the list, and a place may be empty. Its methods may be called from several
// goroutines at once.
type Waiting[T any, P interface {
	*T
	Place() *uint32 // guarded by the list
}] struct {
	mu    sync.Mutex
	list  []*T // in order; nil: was removed
	first int  // places before it are empty
	count int
}

// Len returns the number of objects.
func (l *Waiting[T, P]) Len() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.count
}

// Push adds x as the last.
func (l *Waiting[T, P]) Push(x *T) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.list) == cap(l.list) && l.count <= len(l.list)/2 {
		l.compact()
	}
	*P(x).Place() = uint32(len(l.list))
	l.list = append(l.list, x)
	l.count++
}

// compact closes the gaps.
func (l *Waiting[T, P]) compact() {
	n := 0
	for _, x := range l.list[l.first:] {
		if x != nil {
			*P(x).Place() = uint32(n)
			l.list[n] = x
			n++
		}
	}
	clear(l.list[n:])
	l.list, l.first = l.list[:n], 0
}

// Pop removes and returns the first object. It returns nil if the list is empty.
func (l *Waiting[T, P]) Pop() *T {
	l.mu.Lock()
	defer l.mu.Unlock()
	for l.count > 0 {
		x := l.list[l.first]
		l.list[l.first] = nil
		l.first++
		if x != nil {
			l.took()
			return x
		}
	}
	return nil
}

// Remove removes x. It does nothing if Pop has taken it.
func (l *Waiting[T, P]) Remove(x *T) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if i := int(*P(x).Place()); i >= l.first && i < len(l.list) && l.list[i] == x {
		l.list[i] = nil
		l.took()
	}
}

// took counts an object that has been removed.
func (l *Waiting[T, P]) took() {
	if l.count--; l.count == 0 {
		clear(l.list[l.first:])
		l.list, l.first = l.list[:0], 0
	}
}
