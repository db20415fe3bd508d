// Package lists has lists of objects that hold their own places, so that adding one allocates nothing and removing one
// takes constant time, and a [Bag] of objects that need not.
package lists

import "sync/atomic"

// Links are the neighbors of an object in a [Linked].
type Links[T any] struct{ older, newer *T }

// linked is a pointer to an object that holds its Links.
type linked[T any] interface {
	*T
	Links() *Links[T]
}

// Linked is a list of objects from the oldest to the newest. An object is in one list at a time. Its owner's lock
// guards the list, but Len may be called without.
type Linked[T any, P linked[T]] struct {
	oldest, newest *T
	count          atomic.Int32
}

// Len returns the number of objects.
func (l *Linked[T, P]) Len() int { return int(l.count.Load()) }

// Oldest returns the oldest object, nil if the list is empty.
func (l *Linked[T, P]) Oldest() *T { return l.oldest }

// Push adds x as the newest.
func (l *Linked[T, P]) Push(x *T) {
	P(x).Links().older = l.newest
	if l.newest != nil {
		P(l.newest).Links().newer = x
	} else {
		l.oldest = x
	}
	l.newest = x
	l.count.Add(1)
}

// Pop removes and returns the oldest object. It returns nil if the list is empty.
func (l *Linked[T, P]) Pop() *T {
	x := l.oldest
	if x != nil {
		l.Remove(x)
	}
	return x
}

// Contains reports whether x, which is in no other list, is in this one.
func (l *Linked[T, P]) Contains(x *T) bool { return P(x).Links().older != nil || l.oldest == x }

// Remove removes x. It does nothing if x is in no list.
func (l *Linked[T, P]) Remove(x *T) {
	if !l.Contains(x) {
		return
	}
	links := P(x).Links()
	if links.older != nil {
		P(links.older).Links().newer = links.newer
	} else {
		l.oldest = links.newer
	}
	if links.newer != nil {
		P(links.newer).Links().older = links.older
	} else {
		l.newest = links.older
	}
	*links = Links[T]{}
	l.count.Add(-1)
}
