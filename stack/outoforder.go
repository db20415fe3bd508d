package stack

import (
	"math/bits"
	"sync"
	"sync/atomic"

	"minitcp/conn"
	"minitcp/conn/buffer"
	"minitcp/stack/internal/gso"
)

// outOfOrderList lists the connections that hold early data, which arrived beyond a gap, so that the one to discard first is
// found at once. A peer that sends such data and never fills the gap keeps memory in use for as long as the connection
// lasts.
//
// Early data may take a quarter of the budget, so that it never makes windows smaller; a sixteenth while memory is scarce.
// When it takes more, that of the worst connection is discarded: the one with the greatest product of the memory and the
// square of the time for which it has held that much. The square spares a fast connection that has just lost a segment:
// it may hold a thousand times as much, but for a few round trips only.
type outOfOrderList struct {
	pool  *pagePool // nil: the memory is another's, and nothing is listed
	_     [56]byte
	total atomic.Int64 // bytes that early data keeps in use; alone on its line of cache
	_     [56]byte
	mu    sync.Mutex
	// classes holds the connections by the bit length of their memory, each in the order in which they came in.
	classes [40]struct{ first, last *outOfOrderNode }
}

// outOfOrderNode is the place of a connection in the list. The entry's lock guards memory and arrived, the list's the rest.
type outOfOrderNode struct {
	entry       *entry
	memory      int64     // bytes in use
	arrived     uint64    // bytes that had arrived in order at since
	since       conn.Time // when it came into its class, or when as much had arrived in order as it held early
	class       int
	older, next *outOfOrderNode
}

// maxShed is the most connections whose early data is discarded after a batch of frames: twice as many as the batch can
// have given early data.
const maxShed = 2 * max(batch, gso.MaxBatch)

// note brings the list up to date after a call on e's connection. E's lock is held.
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

// remove takes e, which holds no early data any more, from the list. E's lock is held.
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

// link puts n at the end of its class.
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

// unlink takes n from its class, if it is in one.
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

// exceeded reports whether early data takes more memory than it may.
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

// worst returns the entry whose early data is the next to be discarded, nil if there is none.
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

// shedOutOfOrder discards the early data of the worst connections until the others' takes no more than it may. No lock is held.
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
