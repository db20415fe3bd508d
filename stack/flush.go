package stack

import (
	"time"
	"weak"

	"minitcp/conn"
	"minitcp/stack/internal/counters"
)

// burst is the largest number of frames that an entry sends while it is locked once. The goroutine of its queue, and
// with it the other entries of the queue, may be waiting for the lock.
const burst = 16

// flush completes a call on e's connection. It sends the segments that are due, replaces the connection's state when it
// enters TIME-WAIT or ends, wakes blocked calls, and arms the timer. The application, the timer and ICMP call it after
// every call on a connection, with e.mu held. If there are more segments than a burst, the timer sends the rest,
// beginning with the next tick.
//
// It repeats flushBurst in place of calling it, for a smaller stack of the goroutine.
func (s *Stack) flush(e *entry, w *writer) {
	if e.tcp == nil {
		return
	}
	now := s.clock.Now()
	if s.endBurst(now, e, s.sendBurst(now, e, w)) {
		s.wheels[e.wheel].Arm(&e.timer, s.clock.Now())
	}
}

// flushAll flushes the entries of a list in turn, until none of them has more to send. The entries are not locked. It
// overwrites the list.
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

// flushBurst acts like flush for callers that flush e again if there may be more to send. It reports whether there may
// be.
//
// It reads the clock itself. A batch of frames is read before the first of them is handled, so the caller's time may be
// old, and other goroutines may have sent since. The peer drops a segment whose timestamp is older than that of the
// segment before it [RFC 7323 5.3].
func (s *Stack) flushBurst(e *entry, w *writer) (more bool) {
	if e.tcp == nil {
		return false
	}
	now := s.clock.Now()
	return s.endBurst(now, e, s.sendBurst(now, e, w))
}

// endBurst performs the rest of flushBurst after the segments have been sent. More reports whether there may be more
// to send.
func (s *Stack) endBurst(now conn.Time, e *entry, more bool) bool {
	unfinished := more || e.held
	switch tcp := e.tcp.(type) {
	case *conn.Handshake:
		if tcp.State() == conn.Closed {
			s.remove(e)
			return false
		}
	case *conn.Conn:
		ready := tcp.Ready()
		s.noteOutOfOrder(now, e, tcp)
		if tcp.PathNews() {
			s.notePath(now, e, tcp)
		}
		if tcp.FastOpenNews() {
			s.noteFastOpen(now, e, tcp)
		}
		if tcp.SendWaits() || e.stalled != nil {
			s.noteStalled(now, e, tcp)
		}
		if e.user != nil {
			e.user.wake(ready)
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
		if tcp.Expired(now) || !s.timeWaits.Contains(e) {
			s.remove(e)
			return false
		}
	}
	deadline := e.tcp.Deadline()
	if e.held {
		deadline = max(deadline, now.Add(leastHeldDeadline))
	}
	s.wheels[e.wheel].Arm(&e.timer, deadline)
	return more
}

// leastHeldDeadline is the least time until the timer of an entry that waits for a [Pusher]. The deadline of an entry
// with segments to send may be in the past: then its timers run once a second, also that which ends the connection.
const leastHeldDeadline = time.Second

// sendBurst sends up to burst frames, and reports whether there may be more to send.
func (s *Stack) sendBurst(now conn.Time, e *entry, w *writer) (more bool) {
	before := e.state()
	for range burst {
		limit := s.frameLimitOf(now, e)
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

// enterTimeWait replaces the connection of e with the small state that TIME-WAIT needs. An application that still reads
// has the connection itself.
func (s *Stack) enterTimeWait(now conn.Time, e *entry, tcp *conn.Conn) {
	s.observeEnd(now, e, tcp)
	e.tcp = tcp.TimeWait(now)
	s.outOfOrder.Remove(&e.outOfOrder)
	s.stalls.Remove(&e.stalled)
	e.detach()
	s.untrackLive(e)
	s.charge(e, timeWaitMemory)
	if oldest := s.timeWaits.Add(e); oldest != nil {
		s.totals.Count(counters.TimeWaitEvicted)
		s.wheels[oldest.wheel].Arm(&oldest.timer, now) // ends with the next tick, because its mu must not be locked here
	}
}

// remove ends e, whose mu is held, and frees its 4-tuple. It does nothing if e has been removed.
func (s *Stack) remove(e *entry) {
	if e.tcp == nil {
		return
	}
	s.leaveFastOpen(0, e, conn.VerdictIgnored)
	if l := e.listener.Value(); l != nil {
		l.handshakes.Remove(int(e.wheel), e)
	}
	e.listener = weak.Pointer[Listener]{}
	if r := e.request; r != nil {
		e.request = nil
		r.gone()
		r.forwarder.requests.Leave(e.Key.Remote.Addr())
	}
	if _, ok := e.tcp.(*conn.TimeWaitConn); ok {
		s.timeWaits.Remove(e)
	}
	if e.held {
		s.link.release(e)
	}
	if tcp, ok := e.tcp.(*conn.Conn); ok {
		s.observeEnd(s.clock.Now(), e, tcp)
	}
	e.tcp = nil
	s.untrackOpening(e)
	s.charge(e, 0)
	s.outOfOrder.Remove(&e.outOfOrder)
	s.stalls.Remove(&e.stalled)
	e.detach()
	s.wheels[e.wheel].Disarm(&e.timer)
	s.table.Remove(&e.Node)
	s.untrackLive(e)
}

// trackLive adds e to the connections that Shutdown waits for.
func (s *Stack) trackLive(e *entry) {
	e.counted = true
	s.live.Add(1)
}

// untrackLive removes e from the connections that Shutdown waits for, from the orphans, and from the limits of Config.
func (s *Stack) untrackLive(e *entry) {
	s.leaveQuota(e)
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

// orphaned counts e as an orphan if its connection has not ended. The application has closed it, and its mu is held. If
// there are more than Config.MaxOrphans, the connection is reset.
func (s *Stack) orphaned(e *entry) {
	tcp, ok := e.tcp.(*conn.Conn)
	if !ok {
		return
	}
	e.orphan = true
	if s.orphans.Add(1) <= int64(s.cfg.MaxOrphans) {
		return
	}
	s.totals.Count(counters.OrphansReset)
	tcp.Abort()
	w := s.borrowWriter()
	s.flush(e, w)
	s.returnWriter(w)
}

// fire handles the entries of a wheel whose deadline has passed. It calls Handlers after it has handled all entries, so
// that a slow Handler does not delay the timers of other connections that are due at the same time.
func (s *Stack) fire(now conn.Time, due []*entry) {
	s.totals.Count(counters.TimerRuns)
	w := s.borrowWriter()
	var handled []*Conn
	rest := due[:0]
	for _, e := range due {
		e.mu.Lock()
		if c := e.served; c != nil {
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
	s.shedStalled(now, w, len(due))
	s.returnWriter(w)
	for _, c := range handled {
		c.serve()
	}
	s.abandoned.close()
}
