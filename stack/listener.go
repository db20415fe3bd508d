package stack

import (
	"net"
	"os"
	"sync"
	"time"
	"weak"

	"minitcp/conn"
)

// Listener accepts connections on a port. It is a [net.Listener] with the methods of *net.TCPListener.
//
// The stack closes a Listener that the application has forgotten, as it does a [Conn]; but not one of [Stack.Handle].
type Listener struct {
	stack    *Stack
	addr     *net.TCPAddr
	ref      ref[Listener]
	binds    []binding // its places in the stack's listeners
	accepted chan *Conn
	open     func(*Conn) Handler // nil: connections wait in accepted
	backlog  int

	mu       sync.Mutex
	closed   error // error of Accept, or nil while the listener is open
	deadline deadline
	control  conn.CongestionControl
	embryos  entryList
}

func newListener(s *Stack, addr *net.TCPAddr, binds []binding, open func(*Conn) Handler) *Listener {
	l := &Listener{
		stack:    s,
		addr:     addr,
		binds:    binds,
		accepted: make(chan *Conn, s.cfg.Backlog),
		open:     open,
		backlog:  s.cfg.Backlog,
		control:  s.cfg.Conn.CongestionControl,
	}
	l.deadline.mu = &l.mu
	if open != nil {
		l.ref = strongRef(l)
	} else {
		l.ref = weakRef(l)
		l.watch()
	}
	return l
}

// Accept waits for the next connection. Its errors are *net.OpError around [net.ErrClosed] or, after the deadline,
// [os.ErrDeadlineExceeded]; when the device has ended the stack, around what [Stack.Err] returns.
func (l *Listener) Accept() (net.Conn, error) {
	c, err := l.AcceptTCP()
	if err != nil {
		return nil, err
	}
	return c, nil
}

// AcceptTCP is Accept with the type it returns.
func (l *Listener) AcceptTCP() (*Conn, error) {
	for {
		l.mu.Lock()
		closed, passed, done := l.closed, l.deadline.passed, l.deadline.done()
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

// Addr is the address listened on, a *net.TCPAddr.
func (l *Listener) Addr() net.Addr { return l.addr }

// SetDeadline makes Accept fail from t on; the zero time means never.
func (l *Listener) SetDeadline(t time.Time) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed != nil {
		return opError("set", nil, l.addr, l.closed)
	}
	l.deadline.set(t)
	return nil
}

// SetCongestionControl says what connections begin with that are made from now on. Default: as in Config.Conn.
func (l *Listener) SetCongestionControl(a conn.CongestionControl) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed != nil {
		return opError("set", nil, l.addr, l.closed)
	}
	l.control = a
	return nil
}

// Close stops listening. Connections nobody has accepted are reset and unfinished handshakes forgotten; accepted
// connections are not touched.
func (l *Listener) Close() error {
	return l.close(net.ErrClosed)
}

// close is Close; calls on the listener fail with cause afterwards.
func (l *Listener) close(cause error) error {
	s := l.stack
	l.mu.Lock()
	if l.closed != nil {
		defer l.mu.Unlock()
		return opError("close", nil, l.addr, l.closed)
	}
	l.closed = cause
	l.ignore()
	l.deadline.stop()
	l.mu.Unlock()

	s.listeners.remove(l)
	// Nothing is added any more.
	for e := l.pop(); e != nil; e = l.pop() {
		s.dropEmbryo(e)
	}
	for {
		select {
		case c := <-l.accepted:
			c.abort()
		default:
			return nil
		}
	}
}

// enqueue adds an embryo, and takes the oldest out when there are more than the backlog: the caller must drop it.
// False: the listener is closed.
func (l *Listener) enqueue(e *entry) (oldest *entry, ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed != nil {
		return nil, false
	}
	e.listener = weak.Make(l)
	l.embryos.push(e)
	if l.embryos.count > l.backlog {
		oldest = l.embryos.pop()
	}
	return oldest, true
}

// pop takes the oldest embryo out.
func (l *Listener) pop() *entry {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.embryos.pop()
}

// forget takes e out, if it is in.
func (l *Listener) forget(e *entry) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.embryos.remove(e)
}

// admit puts the connection establish makes of e into the queue for Accept, or leaves it to a Handler; false if the
// queue is full or the listener closed, and then establish is not called.
func (l *Listener) admit(e *entry, establish func(conn.CongestionControl) *Conn) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed != nil || len(l.accepted) == cap(l.accepted) {
		return false
	}
	l.embryos.remove(e)
	c := establish(l.control)
	if l.open != nil {
		c.handling = &handlerState{open: l.open}
		e.user = strongRef(c)
		return true
	}
	l.accepted <- c // only admit sends, under the lock
	return true
}
