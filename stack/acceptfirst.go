package stack

import (
	"sync/atomic"
	"time"

	"minitcp/conn"
	"minitcp/stack/internal/cookies"
	"minitcp/stack/internal/counters"
	"minitcp/stack/internal/flow"
)

// acceptFirst is the state of [ForwardConfig].AcceptFirst.
type acceptFirst struct {
	cookies cookies.Acceptance
	until   atomic.Int64 // a conn.Time; end of the time in which handshakes are completed first
}

// acceptFirstTime is the time for which handshakes are completed first. A flood that goes on makes as many requests as
// AcceptFirst permits each time that it has passed.
const acceptFirstTime = 10 * time.Second

// trackOpening counts the handshake of e with a forwarded address, until it is complete or e is removed.
func (s *Stack) trackOpening(e *entry) {
	e.opening = true
	s.opening.Add(1)
}

// untrackOpening undoes trackOpening, if it has counted e. E's lock is held.
func (s *Stack) untrackOpening(e *entry) {
	if e.opening {
		e.opening = false
		s.opening.Add(-1)
	}
}

// acceptsFirst reports whether the handshake of a SYN is completed before a request is made.
func (f *Forwarder) acceptsFirst(now conn.Time) bool {
	if f.cfg.AcceptFirst == 0 {
		return false
	}
	if int64(now) < f.acceptFirst.until.Load() {
		return true
	}
	if f.stack.opening.Load() < int64(f.cfg.AcceptFirst) {
		return false
	}
	f.acceptFirst.until.Store(int64(now.Add(acceptFirstTime)))
	return true
}

// forwardFromCookie makes a request of an ACK that holds a cookie of the forwarder's. It returns false if no cookie is
// valid now.
func (q *queue) forwardFromCookie(now conn.Time, k *flow.Key, f *Forwarder) bool {
	if !f.acceptFirst.cookies.Accepts(now) {
		return false
	}
	s := q.stack
	e := q.entryFromCookie(now, k, f.cfg.MSS)
	if e == nil {
		return true
	}
	source := q.ip.Src
	if !f.requests.Enter(source) {
		q.dropNoConnection(now, conn.Listen, counters.DropForwardLimited) // the cookie stays valid
		return true
	}
	r := &ForwardRequest{stack: s, forwarder: f, entry: e}
	e.request = r
	if !s.table.Insert(&e.Node) {
		f.requests.Leave(source)
		return true // another queue has been faster; the client sends its data again
	}
	q.receive(now, e)
	if r.isOpen() {
		s.totals.Count(counters.ForwardRequests)
		f.handle(r)
	}
	return true
}

// isOpen reports whether the client's connection is established. If there was no room for it, isOpen removes the
// handshake; the cookie stays valid.
func (r *ForwardRequest) isOpen() bool {
	e := r.entry
	e.mu.Lock()
	defer e.mu.Unlock()
	if _, ok := e.tcp.(*conn.Handshake); ok {
		r.cause = errClientGone // the application has not seen the request
		r.stack.remove(e)
	}
	return e.tcp != nil
}
