package stack

import (
	"time"

	"minitcp/conn"
	"minitcp/conn/buffer"
	"minitcp/stack/internal/counters"
	"minitcp/stack/internal/gso"
	"minitcp/stack/internal/memory"
)

// stallPatience is the time for which a peer may stall while memory is scarce, from the first timeout or probe on. A
// new connection may lose its first data and two retransmissions of it in 3 s.
var stallPatience = memory.Patience{memory.Unproven: 3 * time.Second, memory.Proven: 30 * time.Second}

// maxTimedOut is the largest number of connections that time out after a batch of frames.
const maxTimedOut = 2 * max(batch, gso.MaxBatch)

// noteStalled updates the list of connections whose peer has stalled. It is called after a call on e's connection while
// data waits or e is in the list. E's lock is held. While memory is scarce, a peer whose window limits the connection
// is listed as well: it may accept a few bytes whenever a probe is due.
func (s *Stack) noteStalled(now conn.Time, e *entry, tcp *conn.Conn) {
	state := tcp.SendState()
	if state.WindowLimited && !state.Stalled {
		state.Stalled = s.cfg.Conn.Pressure.Level() >= buffer.Scarce
	}
	s.stalls.Note(now, e, &e.stalled, state)
}

// shedStalled ends connections whose peer has stalled for longer than stallPatience while memory is scarce, at most the
// given number of them. No lock is held.
func (s *Stack) shedStalled(now conn.Time, w *writer, most int) {
	for range most {
		if s.cfg.Conn.Pressure.Level() == buffer.NoPressure {
			return
		}
		e := s.stalls.Oldest(now, stallPatience)
		if e == nil {
			return
		}
		e.mu.Lock()
		var c *Conn
		if tcp, ok := e.tcp.(*conn.Conn); ok && e.stalled != nil {
			c = e.served
			s.totals.Count(counters.StalledReset)
			tcp.TimeOut()
			s.flush(e, w)
		}
		e.mu.Unlock()
		c.serve()
	}
}

// spent reports whether the whole budget of memory is in use: no connection begins.
func (s *Stack) spent() bool { return s.cfg.Conn.Pressure.Level() == buffer.Spent }
