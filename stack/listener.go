package stack

import (
	"net"
	"net/netip"
	"os"
	"sync"
	"sync/atomic"
	"time"
	"weak"

	"minitcp/conn"
	"minitcp/conn/fastopen"
	"minitcp/stack/internal/cookies"
	"minitcp/stack/internal/lists"
	"minitcp/stack/internal/ports"
	"minitcp/stack/internal/ref"
	"minitcp/stack/internal/wait"
)

// Listener accepts connections on a port. It is a [net.Listener] with the methods of *net.TCPListener, except for
// SyscallConn and File, because there is no file descriptor. Its methods may be called from several goroutines at once.
//
// The stack closes a Listener that the application has abandoned without Close, as it does a [Conn], except for one of
// [Stack.Handle].
type Listener struct {
	stack    *Stack
	self     weak.Pointer[Listener] // for entries, so that none of them looks it up in the runtime
	addr     *net.TCPAddr
	place    ports.Registration[Listener]
	accepted chan *Conn
	open     func(*Conn) Handler // nil: connections wait in accepted
	backlog  int

	// A SYN without Fast Open, and an ACK that completes no handshake, use only these.
	cookies    cookies.Acceptance
	handshakes lists.Sharded[entry, *entry] // in progress, by the queue that has received the SYN: entry.wheel
	fastOpen   atomic.Int32                 // largest number of connections in pending; 0: no Fast Open
	mss        atomic.Int32                 // upper bound for the MSS in bytes; 0: none

	mu       sync.Mutex
	closed   error // error of Accept; nil while the listener is open
	deadline wait.Deadline
	control  conn.CongestionControl
	pending  fastopen.Pending // connections with data in the SYN that wait for the end of the handshake
}

func newListener(s *Stack, addr *net.TCPAddr, binds []netip.AddrPort, open func(*Conn) Handler) *Listener {
	l := &Listener{
		stack:    s,
		addr:     addr,
		accepted: make(chan *Conn, s.cfg.Backlog),
		open:     open,
		backlog:  s.cfg.Backlog,
		control:  s.cfg.Conn.CongestionControl,
	}
	l.handshakes.Init(len(s.wheels))
	l.deadline = wait.NewDeadline(&l.mu)
	l.self = weak.Make(l)
	r := ref.Strong(l)
	if open == nil {
		r = ref.Weak(l)
		l.watch()
	}
	l.place = s.listeners.Registration(r, binds, netip.AddrPort{})
	return l
}

// Accept waits for the next connection. Its errors are *net.OpError around [net.ErrClosed] or, after the deadline,
// [os.ErrDeadlineExceeded]. When the device has ended the stack, they wrap the error that [Stack.Err] returns.
func (l *Listener) Accept() (net.Conn, error) {
	c, err := l.AcceptTCP()
	if err != nil {
		return nil, err
	}
	return c, nil
}

// AcceptTCP acts like Accept but returns a *Conn.
func (l *Listener) AcceptTCP() (*Conn, error) {
	for {
		l.mu.Lock()
		closed, passed, done := l.closed, l.deadline.Passed(), l.deadline.Done()
		l.mu.Unlock()
		switch {
		case closed != nil:
			return nil, opError("accept", nil, l.addr, closed)
		case passed:
			return nil, opError("accept", nil, l.addr, os.ErrDeadlineExceeded)
		}
		select {
		case c := <-l.accepted:
			return c, nil
		case <-done:
		}
	}
}

// Addr returns the listener's address, a *net.TCPAddr.
func (l *Listener) Addr() net.Addr { return l.addr }

// SetDeadline sets the time from which Accept fails. The zero time means no deadline.
func (l *Listener) SetDeadline(t time.Time) error { return l.set(func() { l.deadline.Set(t) }) }

// set calls change with the lock held, unless the listener is closed.
func (l *Listener) set(change func()) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed != nil {
		return opError("set", nil, l.addr, l.closed)
	}
	change()
	return nil
}

// SetCongestionControl sets the algorithm of future connections. The default is that of Config.Conn.
func (l *Listener) SetCongestionControl(a conn.CongestionControl) error {
	return l.set(func() { l.control = a })
}

// SetMSS sets an upper bound in bytes for the MSS option and the segments of future connections, as TCP_MAXSEG does and
// in addition to Config.MSS. 0 removes it. For other values below 496 the error is syscall.EINVAL. Info.AdvertisedMSS
// has the option's value.
func (l *Listener) SetMSS(bytes int) error {
	if err := checkMSS(bytes); err != nil {
		return opError("set", nil, l.addr, err)
	}
	return l.set(func() { l.mss.Store(int32(min(bytes, 65535))) })
}

// Close stops listening. It resets connections that have not been accepted and drops unfinished handshakes. Accepted
// connections are not affected.
func (l *Listener) Close() error {
	return l.close(net.ErrClosed)
}

// close closes the listener. Calls on it fail with cause afterwards.
func (l *Listener) close(cause error) error {
	s := l.stack
	l.mu.Lock()
	if l.closed != nil {
		defer l.mu.Unlock()
		return opError("close", nil, l.addr, l.closed)
	}
	l.closed = cause
	l.ignore()
	l.deadline.Stop()
	l.mu.Unlock()

	l.place.Remove()
	l.handshakes.Close(s.dropHandshake)
	for {
		select {
		case c := <-l.accepted:
			c.abort()
		default:
			return nil
		}
	}
}

// full reports whether the queue for Accept has no room.
func (l *Listener) full() bool { return l.open == nil && len(l.accepted) == cap(l.accepted) }

// admit puts the connection that establish makes of e into the queue for Accept, or leaves it to a Handler. It returns
// false, without calling establish, if the queue is full or the listener is closed.
func (l *Listener) admit(e *entry, establish func(conn.CongestionControl) *Conn) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed != nil || len(l.accepted) == cap(l.accepted) {
		return false
	}
	c := establish(l.control)
	if l.open != nil {
		c.leaveTo(l.open)
		return true
	}
	l.accepted <- c // does not block: only admit sends, under the lock
	return true
}
