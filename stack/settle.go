package stack

import (
	"weak"

	"minitcp/conn"
)

// settle does what a call on e's connection has made necessary: it sends what there is to send, moves the entry on when
// its connection enters TIME-WAIT or ends, wakes who waits, and arms the timer. It is called with e.mu held after every
// call on a connection: at the end of a batch of frames, by the application, by the timer, by ICMP.
//
// It looks at the clock itself. What called it may have done so long before, a batch of frames is read before the first of
// them is handled, and meanwhile others may have sent: timestamps that run backwards make the peer drop the segment
// (RFC 7323 5.3).
func (s *Stack) settle(e *entry, w *writer) {
	if e.tcp == nil {
		return
	}
	now := s.clock.now()
	before := e.state()
	for e.tcp.Transmit(now, s.limit.of(now, e), &w.out) {
		s.send(now, e, w, before)
		before = e.state()
	}
	switch tcp := e.tcp.(type) {
	case *conn.Embryo:
		if tcp.State() == conn.EmbryoDead {
			s.drop(e)
			return
		}
	case *conn.Conn:
		ready := tcp.Ready()
		s.early.note(now, e, tcp)
		if user := e.user.get(); user != nil {
			user.wake(ready)
		}
		switch {
		case ready&conn.ReadyClosed != 0:
			s.drop(e)
			return
		case tcp.State() == conn.TimeWait:
			s.retire(now, e, tcp)
		}
	case *conn.Remnant:
		if tcp.Expired(now) || !s.timeWaits.contains(e) {
			s.drop(e)
			return
		}
	}
	s.wheels[e.timer.wheel].arm(e, e.tcp.Deadline())
}

// retire keeps of a connection only what TIME-WAIT needs. An application that still reads has the connection itself.
func (s *Stack) retire(now conn.Time, e *entry, tcp *conn.Conn) {
	e.tcp = tcp.Remnant(now)
	s.early.remove(e)
	e.user = ref[Conn]{}
	s.buried(e)
	s.remember(now, e)
}

// drop forgets e, whose mu is held: its 4-tuple is free again.
func (s *Stack) drop(e *entry) {
	if e.tcp == nil {
		return
	}
	if l := e.listener.Value(); l != nil {
		l.forget(e)
	}
	e.listener = weak.Pointer[Listener]{}
	if r := e.request; r != nil {
		e.request = nil
		r.gone()
		r.forwarder.leave(sourceOf(e.key.remote.netip()))
	}
	if _, ok := e.tcp.(*conn.Remnant); ok {
		s.timeWaits.remove(e)
	}
	e.tcp = nil
	s.early.remove(e)
	e.user = ref[Conn]{}
	s.wheels[e.timer.wheel].disarm(e)
	s.table.remove(e)
	s.buried(e)
}

// born counts e among the connections Shutdown waits for, buried takes it out again.
func (s *Stack) born(e *entry) {
	e.established = true
	s.live.Add(1)
}

func (s *Stack) buried(e *entry) {
	if e.orphan {
		e.orphan = false
		s.orphans.Add(-1)
	}
	if !e.established {
		return
	}
	e.established = false
	if s.live.Add(-1) == 0 {
		select {
		case s.idle <- struct{}{}:
		default:
		}
	}
}

// orphaned counts e, whose application has closed it and whose mu is held, among the orphans if it has not ended. It resets
// e if there are more than Config.MaxOrphans.
func (s *Stack) orphaned(e *entry) {
	tcp, ok := e.tcp.(*conn.Conn)
	if !ok {
		return
	}
	e.orphan = true
	if s.orphans.Add(1) <= int64(s.cfg.MaxOrphans) {
		return
	}
	s.totals.count(countOrphansReset)
	tcp.Abort()
	w := s.borrowWriter()
	s.settle(e, w)
	s.returnWriter(w)
}

// fire is a wheel's: the deadlines of due have come. Handlers are called after the deadlines of all entries have been
// dealt with, so that a slow Handler does not delay the timers of other connections that are due with its own.
func (s *Stack) fire(now conn.Time, due []*entry) {
	w := s.borrowWriter()
	var served []*Conn
	for _, e := range due {
		e.mu.Lock()
		if c := e.user.get(); c != nil && c.served != nil {
			served = append(served, c)
		}
		if e.tcp != nil {
			e.tcp.Advance(now)
			s.settle(e, w)
		}
		e.mu.Unlock()
	}
	s.returnWriter(w)
	for _, c := range served {
		c.serve()
	}
	s.abandoned.close()
}
