package stack

import (
	"math/rand/v2"
	"runtime"
	"sync"
	"sync/atomic"
	"weak"

	"minitcp/conn"
	"minitcp/stack/internal/flow"
	"minitcp/stack/internal/lists"
	"minitcp/stack/internal/memory"
	"minitcp/stack/internal/table"
	"minitcp/stack/internal/timing"
)

// entry is a 4-tuple in use, as the table finds it. A listener and a closed connection have none.
type entry struct {
	table.Node[entry]
	timer timing.Timer[entry]

	began conn.Time // time of the first SYN

	mu sync.Mutex
	// tcp is a *conn.Handshake, then a *conn.Conn, then a *conn.TimeWaitConn. It becomes nil when the entry is removed,
	// and stays nil.
	tcp endpoint
	// user is the application's end. It is set once, when the handshake completes or the application dials, and is
	// cleared when the connection has ended or the application has closed it.
	user   *user
	served *Conn // the Conn of user if it has a Handler; nil otherwise

	listener weak.Pointer[Listener] // the listener of a handshake in progress
	links    lists.Links[entry]     // in the listener's list or in that of TIME-WAIT

	request *ForwardRequest // the request of a handshake with a forwarded address

	outOfOrder *memory.OutOfOrderNode[entry] // place in Stack.outOfOrder; nil without data beyond a gap
	stalled    *memory.StallNode[entry]      // place in Stack.stalls; nil unless the peer lets data wait

	iss, irs     uint32       // initial sequence numbers, for traces
	wanted       atomic.Int32 // number of goroutines in lockInput
	place        uint32       // in the list of those that wait for a Pusher
	irsKnown     bool
	unconfirmed  bool   // counted in the pending connections of its listener; see Listener.SetFastOpen
	counted      bool   // counted in Stack.live
	orphan       bool   // counted in Stack.orphans
	limited      bool   // counted in Stack.quota
	opening      bool   // counted in Stack.opening
	pending      bool   // in the list of its queue
	charged      uint16 // memory in bytes that the stack's budget counts
	ipID         uint16 // identification of the next packet that routers may fragment
	hopLimit     uint8
	trafficClass uint8
	near         bool  // whether the peer is near; see Config.Near
	held         bool  // waits for a Pusher; see Link
	queue        uint8 // queue of the last segment received, on which segments are sent
	wheel        uint8 // index of its timer's wheel
}

// Links implements the constraint of [lists.Linked] and other lists.
func (e *entry) Links() *lists.Links[entry] { return &e.links }

// Place implements the constraint of [lists.Waiting].
func (e *entry) Place() *uint32 { return &e.place }

// lockInput locks e.mu for a goroutine that reads the device. Packets of other connections wait behind that goroutine,
// so a Write of much data yields to it. The caller unlocks e.mu.
func (e *entry) lockInput() {
	if e.mu.TryLock() {
		return
	}
	e.wanted.Add(1)
	e.mu.Lock()
	e.wanted.Add(-1)
}

// yield lets a goroutine in lockInput take the lock, which the caller holds. Unlock followed by Lock would not: a
// mutex prefers the running goroutine, and a waiting one is certain to get it only after 1 ms. Gosched runs the
// goroutine that Unlock has made ready.
func (e *entry) yield() {
	if e.wanted.Load() == 0 {
		return
	}
	e.mu.Unlock()
	runtime.Gosched()
	e.mu.Lock()
}

// detach separates e from the application's end.
func (e *entry) detach() { e.user, e.served = nil, nil }

// endpoint is the common part of a connection's three stages: *conn.Handshake, *conn.Conn and *conn.TimeWaitConn.
type endpoint interface {
	Advance(now conn.Time)
	Transmit(now conn.Time, limit int, out *conn.Outgoing) bool
	Deadline() conn.Time
}

// newEntry returns an entry for k, whose segments leave on a queue. It is not in the table yet.
func (s *Stack) newEntry(now conn.Time, k flow.Key, queue uint8) *entry {
	e := &entry{
		Node:     table.Node[entry]{Key: k},
		began:    now,
		ipID:     uint16(rand.Uint32()),
		hopLimit: s.cfg.HopLimit,
		near:     s.isNear(k.Remote, queue),
		queue:    queue,
		wheel:    queue,
	}
	e.Owner, e.timer.Owner = e, e
	return e
}

// state returns the state of the connection, CLOSED after the entry has been removed.
func (e *entry) state() conn.State {
	switch tcp := e.tcp.(type) {
	case *conn.Handshake:
		return conn.SynReceived
	case *conn.Conn:
		return tcp.State()
	case *conn.TimeWaitConn:
		return conn.TimeWait
	}
	return conn.Closed
}

// initialNumbers returns the initial sequence numbers, and whether the peer's is known.
func (e *entry) initialNumbers() (iss, irs uint32, irsKnown bool) {
	if tcp, ok := e.tcp.(*conn.Conn); ok && tcp.State() != conn.SynSent && tcp.State() != conn.Closed {
		e.irs, e.irsKnown = tcp.IRS(), true
	}
	return e.iss, e.irs, e.irsKnown
}
