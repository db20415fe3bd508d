package memory

import (
	"sync"
	"time"

	"minitcp/conn"
	"minitcp/stack/internal/lists"
)

// Stalls lists the connections whose peer has stalled, those that have stalled for the longest time first. A peer that
// keeps its window closed, or stops to acknowledge, occupies a send buffer for as long as the connection lasts; a
// connection may be ended for lack of memory [RFC 6429 4].
//
// A peer that acknowledges a few bytes now and then stays in the list. It leaves the list when it has acknowledged an
// eighth of the data that the send buffer held when it entered it.
type Stalls[E any] struct {
	mu   sync.Mutex
	list lists.Linked[StallNode[E], *StallNode[E]]
}

// progressParts is the number of parts of the buffer of which a peer acknowledges one to leave the list.
const progressParts = 8

// StallNode is the place of a connection in the list. The lock of its owner guards end, the list's lock the rest.
type StallNode[E any] struct {
	owner *E
	since conn.Time
	end   uint64 // number of acknowledged bytes at which it leaves the list
	links lists.Links[StallNode[E]]
}

// Links implements the constraint of [lists.Linked].
func (n *StallNode[E]) Links() *lists.Links[StallNode[E]] { return &n.links }

// Note updates the list after a call on the owner's connection. At is the owner's field of its node. The owner's lock
// is held.
func (l *Stalls[E]) Note(now conn.Time, owner *E, at **StallNode[E], s conn.SendState) {
	n := *at
	switch {
	case n == nil && !s.Stalled:
	case n == nil:
		n = &StallNode[E]{owner: owner, since: now, end: s.Acknowledged + uint64(max(1, s.Held/progressParts))}
		*at = n
		l.mu.Lock()
		l.list.Push(n)
		l.mu.Unlock()
	case s.Held == 0 || s.Acknowledged >= n.end:
		l.Remove(at)
	}
}

// Remove removes the node at a field of its owner, if there is one. The owner's lock is held.
func (l *Stalls[E]) Remove(at **StallNode[E]) {
	n := *at
	if n == nil {
		return
	}
	*at = nil
	l.mu.Lock()
	defer l.mu.Unlock()
	l.list.Remove(n)
}

// Len returns the number of connections in the list.
func (l *Stalls[E]) Len() int { return l.list.Len() }

// Oldest returns the owner that has been in the list for the longest time, if that is at least patience, and nil
// otherwise.
func (l *Stalls[E]) Oldest(now conn.Time, patience time.Duration) *E {
	if l.Len() == 0 {
		return nil
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if n := l.list.Oldest(); n != nil && now.Sub(n.since) >= patience {
		return n.owner
	}
	return nil
}
