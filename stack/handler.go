package stack

import (
	"fmt"
	"net"
	"syscall"

	"minitcp/conn"
)

// Handler serves a connection without a goroutine of its own; see [Stack.Handle]. Its methods are called on the
// goroutines that read the device and run the timers: for one connection one at a time and in order, for several perhaps
// at once. They must not block, for other connections wait meanwhile: of [Conn], Write and Read may, TryWrite and all
// others do not. None of the stack's locks is held.
type Handler interface {
	// Received brings the octets that arrived next. They are the stack's again when it returns.
	Received(c *Conn, data []byte)
	// Writable says that TryWrite, which took less than it was given, will take more.
	Writable(c *Conn)
	// Ended says that nothing more will be received: io.EOF after the peer's FIN, or why the connection is no more, as
	// Read would have it. It is the last call but for Writable. If the handler has closed the connection, it is not made.
	// The connection is still to be closed.
	Ended(c *Conn, err error)
}

// Handle is [Stack.ListenTCP] for connections that are not accepted: when the handshake of one completes, open is called,
// under the conditions of a Handler's methods, and returns its Handler. Several connections may have the same.
//
// The error is an *net.OpError around syscall.EINVAL if open is nil.
func (s *Stack) Handle(network, address string, open func(*Conn) Handler) (*Listener, error) {
	if open == nil {
		return nil, &net.OpError{Op: "listen", Net: network, Err: fmt.Errorf("Handle: open is nil: %w", syscall.EINVAL)}
	}
	return s.listen(network, address, open)
}

// served is what a Conn with a Handler has besides.
type served struct {
	open    func(*Conn) Handler
	handler Handler // nil: open is still to be called
	ended   bool    // Ended has been
	short   bool    // TryWrite took less than it was given
	busy    bool    // a goroutine is in serve, and looks again before it leaves
}

// TryWrite is Write that does not wait: it takes what there is room for, and says how much that was. Of a connection with
// a Handler, Writable tells when there is more. Its error is that of Write; having no room is none.
func (c *Conn) TryWrite(p []byte) (int, error) {
	n, err := c.tryWrite(p)
	return n, c.opError("write", err)
}

func (c *Conn) tryWrite(p []byte) (int, error) {
	e := c.entry
	e.mu.Lock()
	defer e.mu.Unlock()
	if err := c.mayUse(&c.wr); err != nil {
		return 0, err
	}
	if c.writing { // what concurrent calls write does not mix
		return 0, nil
	}
	n, err := c.tcp.Write(c.stack.clock.now(), p)
	if err == conn.ErrWouldBlock {
		err = nil
	}
	if n > 0 {
		c.settle()
	}
	if c.served != nil {
		c.served.short = n < len(p) && err == nil
	}
	return n, err
}

// serve makes the calls of c's Handler that are due, if it has one, and settles. Nothing is locked.
func (c *Conn) serve() {
	if c == nil || c.served == nil {
		return
	}
	c.entry.mu.Lock()
	defer c.entry.mu.Unlock()
	if v := c.served; !v.busy {
		v.busy = true
		b := copyBuffers.Get().(*[]byte)
		for c.callHandler(*b) {
		}
		copyBuffers.Put(b)
		v.busy = false
	}
	c.settle()
}

// callHandler makes the next call, and reports whether there was one. The entry's lock is held, but not during the call.
func (c *Conn) callHandler(b []byte) bool {
	v, mu := c.served, &c.entry.mu
	var data []byte
	var loan conn.Loan
	var err error
	switch {
	case v.ended && c.closed:
		return false
	case v.handler == nil:
		mu.Unlock()
		h := v.open(c)
		mu.Lock()
		v.handler = h
		return true
	case c.closed: // by Stack.Close
		err = net.ErrClosed
	case !v.ended:
		data, loan, err = c.tryNext(b, true)
	}
	switch {
	case len(data) > 0:
		mu.Unlock()
		v.handler.Received(c, data)
		if loan != nil {
			loan.Return()
		}
		mu.Lock()
	case err != nil && err != conn.ErrWouldBlock:
		v.ended = true
		mu.Unlock()
		v.handler.Ended(c, c.opError("read", err))
		mu.Lock()
	case v.short && !c.closed && c.tcp.Ready()&conn.ReadyWrite != 0:
		v.short = false
		mu.Unlock()
		v.handler.Writable(c)
		mu.Lock()
	default:
		return false
	}
	return true
}
