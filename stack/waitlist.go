package stack

import "sync"

// waitList is the list of entries that wait for a [Pusher]. An entry is in it once at most. It needs no pointers in
// the entries: they have their place in the list, and a place may be empty.
type waitList struct {
	mu    sync.Mutex
	list  []*entry // in order; nil: was removed
	first int      // places before it are empty
	count int
}

func (l *waitList) push(e *entry) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.list) == cap(l.list) && l.count <= len(l.list)/2 {
		l.compact()
	}
	e.place = uint32(len(l.list))
	l.list = append(l.list, e)
	l.count++
}

// compact closes the gaps.
func (l *waitList) compact() {
	n := 0
	for _, e := range l.list[l.first:] {
		if e != nil {
			e.place = uint32(n)
			l.list[n] = e
			n++
		}
	}
	clear(l.list[n:])
	l.list, l.first = l.list[:n], 0
}

// pop takes the oldest entry out and returns it. It returns nil if the list is empty.
func (l *waitList) pop() *entry {
	l.mu.Lock()
	defer l.mu.Unlock()
	for l.count > 0 {
		e := l.list[l.first]
		l.list[l.first] = nil
		l.first++
		if e != nil {
			l.took()
			return e
		}
	}
	return nil
}

// remove takes e out. It does nothing if pop has taken it.
func (l *waitList) remove(e *entry) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if i := int(e.place); i >= l.first && i < len(l.list) && l.list[i] == e {
		l.list[i] = nil
		l.took()
	}
}

// took counts an entry that has been taken out.
func (l *waitList) took() {
	if l.count--; l.count == 0 {
		clear(l.list[l.first:])
		l.list, l.first = l.list[:0], 0
	}
}
