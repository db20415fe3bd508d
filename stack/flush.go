package stack

import (
	"weak"

	"minitcp/conn"
)

// burst is the number of frames that an entry sends while it is locked once. The goroutine of its queue may wait for the
// lock, and the entries of that queue with it.
const burst = 16

// flush does what a call on e's connection has made necessary: it sends what there is to send, moves the entry on when
// its connection enters TIME-WAIT or ends, wakes blocked calls, and arms the timer. It is called with e.mu held after every
// call on a connection: by the application, by the timer, by ICMP. When more than a burst can be sent, the timer sends the
// rest, from the next tick on.
func (s *Stack) flush(e *entry, w *writer) {
	if s.flushBurst(e, w) {
		s.wheels[e.timer.wheel].arm(e, s.clock.now())
	}
}

// flushAll flushes entries, which are not locked, in turn until none of them can send more. It overwrites the list.
func (s *Stack) flushAll(list []*entry, w *writer) {
	for len(list) > 0 {
		more := list[:0]
		for _, e := range list {
			e.mu.Lock()
			e.yield()
			if s.flushBurst(e, w) {
				more = append(more, e)
			}
			e.mu.Unlock()
		}
		list = more
	}
}

// flushBurst is flush for callers that flush e again if there may be more to send, which it reports.
//
// It reads the clock itself. Its caller may have read it long before, a batch of frames is read before the first of them is
// handled, and other goroutines may have sent since: timestamps that run backwards make the peer drop the segment
// (RFC 7323 5.3).
func (s *Stack) flushBurst(e *entry, w *writer) (more bool) {
	if e.tcp == nil {
		return false
	}
	now := s.clock.now()
	more = s.sendBurst(now, e, w)
	unfinished := more || e.held
	switch tcp := e.tcp.(type) {
	case *conn.Handshake:
		if tcp.State() == conn.HandshakeDead && !e.held {
			s.remove(e)
			return false
		}
	case *conn.Conn:
		ready := tcp.Ready()
		s.outOfOrder.note(now, e, tcp)
		if user := e.user.get(); user != nil {
			user.wake(ready)
		}
		switch {
		case unfinished:
		case ready&conn.ReadyClosed != 0:
			s.remove(e)
			return false
		case tcp.State() == conn.TimeWait:
			s.enterTimeWait(now, e, tcp)
		}
	case *conn.TimeWaitConn:
		if tcp.Expired(now) || !s.timeWaits.contains(e) {
			s.remove(e)
			return false
		}
	}
	if !e.held { // else Link.Transmit arms it
		s.wheels[e.timer.wheel].arm(e, e.tcp.Deadline())
	}
	return more
}

// sendBurst sends up to burst frames, and reports whether there may be more to send. If the device has no room, e is held
// and there is nothing more to send until [Link.Transmit].
func (s *Stack) sendBurst(now conn.Time, e *entry, w *writer) (more bool) {
	before := e.state()
	for range burst {
		limit := s.frameLimit.of(now, e)
		switch {
		case w.turn > 0:
			limit = min(limit, w.turn)
		case s.link != nil && e.queue != s.loop.number:
			var ok bool
			if limit, ok = s.link.room(e, limit); !ok {
				return false
			}
		}
		if !e.tcp.Transmit(now, limit, &w.out) {
			return false
		}
		s.send(now, e, w, before)
		before = e.state()
		if w.turn > 0 {
			s.link.hold(e)
			return false
		}
	}
	return true
}

// enterTimeWait keeps of a connection only what TIME-WAIT needs. An application that still reads has the connection itself.
func (s *Stack) enterTimeWait(now conn.Time, e *entry, tcp *conn.Conn) {
	e.tcp = tcp.TimeWait(now)
	s.outOfOrder.remove(e)
	e.user = ref[Conn]{}
	s.untrackLive(e)
	s.remember(now, e)
}

// remove forgets e, whose mu is held: its 4-tuple is free again.
func (s *Stack) remove(e *entry) {
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
	if _, ok := e.tcp.(*conn.TimeWaitConn); ok {
		s.timeWaits.remove(e)
	}
	if e.held {
		s.link.release(e)
	}
	e.tcp = nil
	s.outOfOrder.remove(e)
	e.user = ref[Conn]{}
	s.wheels[e.timer.wheel].disarm(e)
	s.table.remove(e)
	s.untrackLive(e)
}

// trackLive counts e among the connections Shutdown waits for, untrackLive takes it out again.
func (s *Stack) trackLive(e *entry) {
	e.counted = true
	s.live.Add(1)
}

func (s *Stack) untrackLive(e *entry) {
	if e.orphan {
		e.orphan = false
		s.orphans.Add(-1)
	}
	if !e.counted {
		return
	}
	e.counted = false
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
	s.flush(e, w)
	s.returnWriter(w)
}

// fire is a wheel's: the deadlines of due have come. Handlers are called after the deadlines of all entries have been
// dealt with, so that a slow Handler does not delay the timers of other connections that are due with its own.
func (s *Stack) fire(now conn.Time, due []*entry) {
	w := s.borrowWriter()
	var handled []*Conn
	rest := due[:0]
	for _, e := range due {
		e.mu.Lock()
		if c := e.user.get(); c != nil && c.handling != nil {
			handled = append(handled, c)
		}
		if e.tcp != nil {
			e.tcp.Advance(now)
			if s.flushBurst(e, w) {
				rest = append(rest, e)
			}
		}
		e.mu.Unlock()
	}
	s.flushAll(rest, w)
	s.returnWriter(w)
	for _, c := range handled {
		c.serve()
	}
	s.abandoned.close()
}
