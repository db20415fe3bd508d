package stack

import (
	"runtime"
	"sync"
	"sync/atomic"
	"weak"

	"minitcp/conn"
)

// entry is a 4-tuple in use: what the table leads to. LISTEN and CLOSED need none.
type entry struct {
	key  key
	hash uint64                // table's
	next atomic.Pointer[entry] // table's

	timer timerNode // wheel's

	mu     sync.Mutex
	wanted atomic.Int32 // goroutines in lockInput
	// tcp is a *conn.Handshake, *conn.Conn or *conn.TimeWaitConn, one after another; nil once the entry has been dropped and
	// for ever after.
	tcp endpoint
	// user is the application's end. It is not set before the handshake completes, and after the connection has ended or the
	// application has closed it. It is set once.
	user ref[Conn]

	listener weak.Pointer[Listener] // of an embryo
	older    *entry                 // entryList's: the listener's list of embryos, or the stack's list of entries in TIME-WAIT
	newer    *entry

	request *ForwardRequest // of an embryo to a forwarded address

	outOfOrder *outOfOrderNode // its place in the list of connections that hold early data; nil while it holds none

	iss, irs     uint32 // for traces
	irsKnown     bool
	counted      bool   // counted among the stack's live connections
	orphan       bool   // counted among the stack's orphans
	place        uint32 // waitList's
	pending      bool   // in its queue's list of entries to flush
	ipID         uint16 // packets sent that routers may fragment; with hash, the next one's identification
	hopLimit     uint8
	trafficClass uint8
	near         bool  // whether the peer is near; see Config.Near
	held         bool  // waits for a Pusher; see Link
	queue        uint8 // on which the last segment came, and those of ours leave; but see Stack.queueIO
}

// lockInput locks e for a goroutine that reads the device. A large Write yields to it, because packets of other
// connections wait behind the goroutine. The goroutine unlocks e.mu.
func (e *entry) lockInput() {
	if e.mu.TryLock() {
		return
	}
	e.wanted.Add(1)
	e.mu.Lock()
	e.wanted.Add(-1)
}

// yield lets a goroutine in lockInput have the lock, which the caller holds. Unlock and Lock alone would not: a mutex prefers
// the goroutine that runs, and one that waits gets it for certain after 1 ms only. Gosched runs the goroutine that Unlock has
// made ready.
func (e *entry) yield() {
	if e.wanted.Load() == 0 {
		return
	}
	e.mu.Unlock()
	runtime.Gosched()
	e.mu.Lock()
}

// endpoint is what an embryo, a connection and what remains of one have in common.
type endpoint interface {
	Advance(now conn.Time)
	Transmit(now conn.Time, limit int, out *conn.Outgoing) bool
	Deadline() conn.Time
}

func (s *Stack) newEntry(k key, queue uint8) *entry {
	e := &entry{key: k, hopLimit: s.cfg.HopLimit, queue: queue, near: queue != s.loop.number && s.isNear(k.remote)}
	e.timer.wheel = queue
	e.timer.at.Store(noTick)
	return e
}

// state is the connection's state, CLOSED when it is gone.
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

// initialNumbers are the initial sequence numbers; the peer's once it is known.
func (e *entry) initialNumbers() (iss, irs uint32, irsKnown bool) {
	if tcp, ok := e.tcp.(*conn.Conn); ok && tcp.State() != conn.SynSent && tcp.State() != conn.Closed {
		e.irs, e.irsKnown = tcp.IRS(), true
	}
	return e.iss, e.irs, e.irsKnown
}
