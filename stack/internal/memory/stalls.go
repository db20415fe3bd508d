package memory

import (
	"sync"
	"time"

	"minitcp/conn"
	"minitcp/conn/buffer"
	"minitcp/stack/internal/lists"
)

// Stalls lists the connections whose peer has stalled, those that have stalled for the longest time first. A peer that
// keeps its window closed, or stops to acknowledge, occupies a send buffer for as long as the connection lasts; a
// connection may be ended for lack of memory [RFC 6429 4].
//
// A peer that acknowledges a few bytes now and then stays in the list. It leaves the list when it has acknowledged an
// eighth of the data that the send buffer held when it entered it.
//
// Peers that have acknowledged little have a list of their own. A program that reads slowly closes its window when its
// receive buffer is full, and has acknowledged that much then. A peer that only takes memory need not acknowledge any
// data.
type Stalls[E any] struct {
	mu    sync.Mutex
	lists [len(Patience{})]lists.Linked[StallNode[E], *StallNode[E]] // by class
}

// Peers are classed by the data that they had acknowledged when they stalled.
const (
	Unproven = iota // less than 32 KiB
	Proven
)

const (
	// progressParts is the number of parts of the buffer of which a peer acknowledges one to leave the list.
	progressParts = 8
	// provenBytes is the least number of bytes that a proven peer has acknowledged. From there on, its buffer has the
	// share of [buffer.Moving].
	provenBytes = buffer.Moderate / 2
)

// Patience is the time for which peers of each class may stall.
type Patience [2]time.Duration

// StallNode is the place of a connection in a list. The lock of its owner guards end, the lock of the lists the rest.
type StallNode[E any] struct {
	owner *E
	class int
	since conn.Time
	end   uint64 // number of acknowledged bytes at which it leaves the list
	links lists.Links[StallNode[E]]
}

// Links implements the constraint of [lists.Linked].
func (n *StallNode[E]) Links() *lists.Links[StallNode[E]] { return &n.links }

// Note updates the lists after a call on the owner's connection. At is the owner's field of its node. The owner's lock
// is held.
func (l *Stalls[E]) Note(now conn.Time, owner *E, at **StallNode[E], s conn.SendState) {
	n := *at
	switch {
	case n == nil && !s.Stalled:
	case n == nil:
		n = &StallNode[E]{owner: owner, since: now, end: s.Acknowledged + uint64(max(1, s.Held/progressParts))}
		if s.Acknowledged >= provenBytes {
			n.class = Proven
		}
		*at = n
		l.mu.Lock()
		l.lists[n.class].Push(n)
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
	l.lists[n.class].Remove(n)
}

// Len returns the number of connections in the lists.
func (l *Stalls[E]) Len() (n int) {
	for class := range l.lists {
		n += l.lists[class].Len()
	}
	return n
}

// Oldest returns an owner that has been in its list for as long as p permits, and nil if there is none. Unproven peers
// come first, and of each class the one that has stalled for the longest time.
func (l *Stalls[E]) Oldest(now conn.Time, p Patience) *E {
	if l.Len() == 0 {
		return nil
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	for class := range l.lists {
		if n := l.lists[class].Oldest(); n != nil && now.Sub(n.since) >= p[class] {
			return n.owner
		}
	}
	return nil
}
