package memory

import (
	"math/bits"
	"sync"
	"sync/atomic"

	"minitcp/conn"
	"minitcp/conn/buffer"
)

// OutOfOrder lists the connections that hold out-of-order data, which arrived beyond a gap, so that the one to
// discard first is found at once. A peer that sends such data and never fills the gap occupies memory for as long as
// the connection lasts.
//
// Out-of-order data may take a quarter of the budget, so that it never makes windows smaller, and a sixteenth while
// memory is scarce. When it takes more, the data of the worst connection is discarded: the one with the greatest
// product of its memory and the square of the time for which it has held that much. The square spares a fast
// connection that has just lost a segment: it may hold a thousand times as much, for a few round trips only.
type OutOfOrder[E any] struct {
	pool  *Pool // nil if another pool lends the memory; then nothing is listed
	_     [56]byte
	total atomic.Int64 // bytes of memory that out-of-order data occupies; alone on its cache line
	_     [56]byte
	mu    sync.Mutex
	// classes holds the connections by the bit length of their memory, each class in order of arrival.
	classes [40]struct{ first, last *OutOfOrderNode[E] }
}

// NewOutOfOrder returns an empty list. It lists connections if pool is a [Pool], and none otherwise.
func NewOutOfOrder[E any](pool buffer.Pool) *OutOfOrder[E] {
	l := &OutOfOrder[E]{}
	l.pool, _ = pool.(*Pool)
	return l
}

// OutOfOrderNode is the place of a connection in the list. The lock of its owner guards memory and arrived, the list's
// lock the rest.
type OutOfOrderNode[E any] struct {
	owner       *E
	memory      int64     // bytes in use
	arrived     uint64    // bytes received in order before since
	since       conn.Time // time at which it entered its class, or last received in order as much as it held out of order
	class       int
	older, next *OutOfOrderNode[E]
}

// Note updates the list after a call on the owner's connection, which holds memory bytes of out-of-order data, and has
// received arrived bytes in order. At is the owner's field of its node. The owner's lock is held.
func (l *OutOfOrder[E]) Note(now conn.Time, owner *E, at **OutOfOrderNode[E], memory int64, arrived uint64) {
	if memory == 0 || l.pool == nil {
		l.Remove(at)
		return
	}
	n := *at
	if n == nil {
		n = &OutOfOrderNode[E]{owner: owner}
		*at = n
	}
	l.total.Add(memory - n.memory)
	n.memory = memory
	class := min(bits.Len64(uint64(memory)), len(l.classes)-1)
	if class == n.class && arrived-n.arrived < uint64(memory) {
		return
	}
	n.arrived = arrived
	l.mu.Lock()
	l.unlink(n)
	n.since, n.class = now, class
	l.link(n)
	l.mu.Unlock()
}

// Remove removes the node at a field of an owner that holds no out-of-order data any more, if there is one. The
// owner's lock is held.
func (l *OutOfOrder[E]) Remove(at **OutOfOrderNode[E]) {
	n := *at
	if n == nil {
		return
	}
	*at = nil
	l.total.Add(-n.memory)
	l.mu.Lock()
	l.unlink(n)
	l.mu.Unlock()
}

// link appends n to its class.
func (l *OutOfOrder[E]) link(n *OutOfOrderNode[E]) {
	c := &l.classes[n.class]
	n.older, n.next = c.last, nil
	if c.last != nil {
		c.last.next = n
	} else {
		c.first = n
	}
	c.last = n
}

// unlink removes n from its class, if it is in one.
func (l *OutOfOrder[E]) unlink(n *OutOfOrderNode[E]) {
	if n.class == 0 {
		return
	}
	c := &l.classes[n.class]
	if n.older != nil {
		n.older.next = n.next
	} else {
		c.first = n.next
	}
	if n.next != nil {
		n.next.older = n.older
	} else {
		c.last = n.older
	}
}

// Total returns the number of bytes of memory that out-of-order data occupies.
func (l *OutOfOrder[E]) Total() int64 { return l.total.Load() }

// Exceeded reports whether out-of-order data takes more memory than it may.
func (l *OutOfOrder[E]) Exceeded() bool {
	total := l.total.Load()
	if total == 0 {
		return false
	}
	allowed := l.pool.limit * buffer.PageSize / 4
	if l.pool.Level() >= buffer.Scarce {
		allowed /= 4
	}
	return total > allowed
}

// Worst returns the owner whose out-of-order data is discarded next, nil if there is none.
func (l *OutOfOrder[E]) Worst(now conn.Time) (worst *E) {
	l.mu.Lock()
	defer l.mu.Unlock()
	most := -1.0
	for class := range l.classes {
		if n := l.classes[class].first; n != nil {
			held := now.Sub(n.since).Seconds() + 0.001
			if cost := float64(uint64(1)<<class) * held * held; cost > most {
				most, worst = cost, n.owner
			}
		}
	}
	return worst
}
