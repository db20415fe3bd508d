package stack

import (
	"sync"
	"sync/atomic"

	"golang.org/x/sys/cpu"
)

// handshakes are the handshakes of a listener that are in progress. Each queue has a list of its own for the SYNs that
// it has received, so that queues rarely wait for each other.
type handshakes struct {
	count atomic.Int32 // of all lists, and those that reserve has counted
	lists []handshakeList
}

type handshakeList struct {
	mu     sync.Mutex
	closed bool
	list   entryList
	_      cpu.CacheLinePad
}

// list returns the list that e belongs to.
func (h *handshakes) list(e *entry) *handshakeList { return &h.lists[e.wheel] }

// len returns the number of handshakes.
func (h *handshakes) len() int { return int(h.count.Load()) }

// reserve counts a handshake that add or cancel gets next. It returns false, and counts nothing, if there are most
// already.
func (h *handshakes) reserve(most int) bool {
	for {
		n := h.count.Load()
		if int(n) >= most {
			return false
		}
		if h.count.CompareAndSwap(n, n+1) {
			return true
		}
	}
}

// cancel undoes reserve.
func (h *handshakes) cancel() { h.count.Add(-1) }

// add adds a handshake that reserve has counted. After close, it cancels that and returns false.
func (h *handshakes) add(e *entry) bool {
	l := h.list(e)
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		h.cancel()
		return false
	}
	l.list.Push(e)
	return true
}

// remove removes e, if it is in its list.
func (h *handshakes) remove(e *entry) {
	l := h.list(e)
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.list.Contains(e) {
		l.list.Remove(e)
		h.count.Add(-1)
	}
}

// excess removes and returns a handshake if there are more than most: the oldest in the list of e, or in the next list
// that has one, except for e itself. Several queues together remove no more than there are too many.
func (h *handshakes) excess(e *entry, most int) *entry {
	for {
		n := h.count.Load()
		if int(n) <= most {
			return nil
		}
		if h.count.CompareAndSwap(n, n-1) {
			break
		}
	}
	for i := range h.lists {
		if o := h.lists[(int(e.wheel)+i)%len(h.lists)].pop(e); o != nil {
			return o
		}
	}
	h.count.Add(1) // the others have ended meanwhile
	return nil
}

// close makes add fail, and calls drop with every handshake.
func (h *handshakes) close(drop func(*entry)) {
	for i := range h.lists {
		l := &h.lists[i]
		l.mu.Lock()
		l.closed = true
		l.mu.Unlock()
		for e := l.pop(nil); e != nil; e = l.pop(nil) {
			h.count.Add(-1)
			drop(e)
		}
	}
}

// pop removes and returns the oldest handshake. It returns nil if that is kept, or if there is none.
func (l *handshakeList) pop(kept *entry) *entry {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.list.Oldest() == kept {
		return nil
	}
	return l.list.Pop()
}
