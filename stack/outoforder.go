package stack

import (
	"minitcp/conn"
	"minitcp/stack/internal/counters"
	"minitcp/stack/internal/gso"
)

// maxShed is the largest number of connections whose out-of-order data is discarded after a batch of frames: twice as
// many as a batch can add.
const maxShed = 2 * max(batch, gso.MaxBatch)

// noteOutOfOrder updates the list of connections with out-of-order data after a call on e's connection. E's lock is
// held.
func (s *Stack) noteOutOfOrder(now conn.Time, e *entry, tcp *conn.Conn) {
	memory := tcp.OutOfOrderMemory()
	if memory == 0 && e.outOfOrder == nil {
		return
	}
	s.outOfOrder.Note(now, e, &e.outOfOrder, int64(memory), tcp.Arrived())
}

// shedOutOfOrder discards the out-of-order data of the worst connections until the rest is within its limit. No lock is
// held.
func (s *Stack) shedOutOfOrder(now conn.Time) {
	for n := 0; n < maxShed && s.outOfOrder.Exceeded(); n++ {
		e := s.outOfOrder.Worst(now)
		if e == nil {
			return
		}
		e.mu.Lock()
		if tcp, ok := e.tcp.(*conn.Conn); ok && e.outOfOrder != nil {
			tcp.DiscardOutOfOrder()
			s.noteOutOfOrder(now, e, tcp)
			s.totals.Count(counters.OutOfOrderShed)
		}
		e.mu.Unlock()
	}
}
