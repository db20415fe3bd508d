package stack

import "sync/atomic"

// entryList is a list of entries from the oldest to the newest, linked through the entries. An entry is in one list at
// a time. Its owner's lock guards it, but len may be called without.
type entryList struct {
	oldest, newest *entry
	count          atomic.Int32
}

// len returns the number of entries.
func (l *entryList) len() int { return int(l.count.Load()) }

// push adds e as the newest.
func (l *entryList) push(e *entry) {
	e.older = l.newest
	if l.newest != nil {
		l.newest.newer = e
	} else {
		l.oldest = e
	}
	l.newest = e
	l.count.Add(1)
}

// pop takes the oldest entry out and returns it. It returns nil if the list is empty.
func (l *entryList) pop() *entry {
	e := l.oldest
	if e != nil {
		l.remove(e)
	}
	return e
}

// contains reports whether e, which is in no other list, is in this one.
func (l *entryList) contains(e *entry) bool { return e.older != nil || l.oldest == e }

// remove takes e out. It does nothing if e is in no list.
func (l *entryList) remove(e *entry) {
	if !l.contains(e) {
		return
	}
	if e.older != nil {
		e.older.newer = e.newer
	} else {
		l.oldest = e.newer
	}
	if e.newer != nil {
		e.newer.older = e.older
	} else {
		l.newest = e.older
	}
	e.older, e.newer = nil, nil
	l.count.Add(-1)
}
