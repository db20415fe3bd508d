package stack

import (
	"math/bits"
	"sync"
	"sync/atomic"

	"minitcp/conn"
	"minitcp/conn/buffer"
	"minitcp/stack/internal/gso"
)

// outOfOrderList lists the connections that hold out-of-order data, which arrived beyond a gap, so that the one to
// discard first is found at once. A peer that sends such data and never fills the gap occupies memory for as long as
// the connection lasts.
//
// Out-of-order data may take a quarter of the budget, so that it never makes windows smaller, and a sixteenth while
// memory is scarce. When it takes more, the data of the worst connection is discarded: the one with the greatest
// product of its memory and the square of the time for which it has held that much. The square spares a fast
// connection that has just lost a segment: it may hold a thousand times as much, for a few round trips only.
type outOfOrderList struct {
	pool  *pagePool // nil if another pool lends the memory; then nothing is listed
	_     [56]byte
	total atomic.Int64 // bytes of memory that out-of-order data occupies; alone on its cache line
	_     [56]byte
	mu    sync.Mutex
	// classes holds the connections by the bit length of their memory, each class in order of arrival.
	classes [40]struct{ first, last *outOfOrderNode }
}

// outOfOrderNode is the place of a connection in the list. The entry's lock guards memory and arrived, the list's lock
// the rest.
type outOfOrderNode struct {
	entry       *entry
	memory      int64     // bytes in use
	arrived     uint64    // bytes received in order before since
	since       conn.Time // time at which it entered its class, or last received in order as much as it held out of order
	class       int
	older, next *outOfOrderNode
}

// maxShed is the largest number of connections whose out-of-order data is discarded after a batch of frames: twice as
// many as a batch can add.
const maxShed = 2 * max(batch, gso.MaxBatch)

// note updates the list after a call on e's connection. E's lock is held.
func (l *outOfOrderList) note(now conn.Time, e *entry, tcp *conn.Conn) {
	memory, n := int64(tcp.OutOfOrderMemory()), e.outOfOrder
	if memory == 0 || l.pool == nil {
		if n != nil {
			l.remove(e)
		}
		return
	}
	if n == nil {
		n = &outOfOrderNode{entry: e}
		e.outOfOrder = n
	}
	l.total.Add(memory - n.memory)
	n.memory = memory
	arrived, class := tcp.Arrived(), min(bits.Len64(uint64(memory)), len(l.classes)-1)
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

// remove removes e, which holds no out-of-order data any more. E's lock is held.
func (l *outOfOrderList) remove(e *entry) {
	n := e.outOfOrder
	if n == nil {
		return
	}
	e.outOfOrder = nil
	l.total.Add(-n.memory)
	l.mu.Lock()
	l.unlink(n)
	l.mu.Unlock()
}

// link appends n to its class.
func (l *outOfOrderList) link(n *outOfOrderNode) {
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
func (l *outOfOrderList) unlink(n *outOfOrderNode) {
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

// exceeded reports whether out-of-order data takes more memory than it may.
func (l *outOfOrderList) exceeded() bool {
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

// worst returns the entry whose out-of-order data is discarded next, nil if there is none.
func (l *outOfOrderList) worst(now conn.Time) (e *entry) {
	l.mu.Lock()
	defer l.mu.Unlock()
	most := -1.0
	for class := range l.classes {
		if n := l.classes[class].first; n != nil {
			held := now.Sub(n.since).Seconds() + 0.001
			if cost := float64(uint64(1)<<class) * held * held; cost > most {
				most, e = cost, n.entry
			}
		}
	}
	return e
}

// shedOutOfOrder discards the out-of-order data of the worst connections until the rest is within its limit. No lock is
// held.
func (s *Stack) shedOutOfOrder(now conn.Time) {
	for n := 0; n < maxShed && s.outOfOrder.exceeded(); n++ {
		e := s.outOfOrder.worst(now)
		if e == nil {
			return
		}
		e.mu.Lock()
		if tcp, ok := e.tcp.(*conn.Conn); ok && e.outOfOrder != nil {
			tcp.DiscardOutOfOrder()
			s.outOfOrder.note(now, e, tcp)
			s.totals.count(countOutOfOrderShed)
		}
		e.mu.Unlock()
	}
}
