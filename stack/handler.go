package stack

import (
	"fmt"
	"io"
	"net"
	"syscall"

	"minitcp/conn"
	"minitcp/conn/buffer"
	"minitcp/stack/internal/block"
)

// Handler serves a connection without a goroutine of its own; see [Stack.Handle]. The stack calls its methods on the
// goroutines that read the device and run the timers. The calls for one connection are in order, one at a time; those
// for several connections may be concurrent. A method must not block, because other connections wait meanwhile. Of the
// methods of [Conn], only Write and Read block. No lock of the stack is held during a call. The stack makes a bounded
// number of calls for one connection before it goes on with the others.
//
// A Handler that echoes is
//
//	func (h echo) Received(c *stack.Conn, data []byte) int { n, _ := c.TryWrite(data); return n }
//	func (h echo) Writable(c *stack.Conn)                  {}
//	func (h echo) Ended(c *stack.Conn, err error)          { c.Close() }
type Handler interface {
	// Received takes the next bytes that arrived and returns the number it took, 0 to len(data). If that is less than
	// len(data), the connection pauses: the other bytes stay with it, and its receive window closes when the receive
	// buffer is full. Received is called with them again after the next Writable or [Conn.Resume]. Data is valid only
	// during the call. If the connection is read or closed during the call, all of data counts as taken.
	Received(c *Conn, data []byte) int
	// Writable reports that there is room again after TryWrite took less than its argument.
	Writable(c *Conn)
	// Ended reports that no more data will be received. Err is io.EOF after the peer's FIN, and otherwise the error that
	// ended the connection, as Read returns it. An error ends a paused connection at once, without its unread bytes. Only
	// Writable may be called afterwards. Ended is called once for each connection that has a Handler. For a connection
	// that [Stack.Shutdown] or [Stack.Close] closes, err is [net.ErrClosed]. Ended is not called after the application
	// has closed the connection. The handler must close the connection.
	Ended(c *Conn, err error)
}

// Handle listens as [Stack.ListenTCP] does, for connections that are not accepted. When the handshake of a connection
// completes, the stack calls open, under the same conditions as a Handler's methods. Open returns the connection's
// Handler. Connections may share a Handler.
//
// The error is an *net.OpError around syscall.EINVAL if open is nil.
func (s *Stack) Handle(network, address string, open func(*Conn) Handler) (*Listener, error) {
	if open == nil {
		return nil, &net.OpError{Op: "listen", Net: network, Err: fmt.Errorf("Handle: open is nil: %w", syscall.EINVAL)}
	}
	return s.listen(network, address, open)
}

// handlerState is the state of a Conn that has a Handler. The entry's lock guards it.
type handlerState struct {
	open      func(*Conn) Handler
	handler   Handler // nil before open has been called
	paused    bool    // Received has not taken all of its data
	ended     bool    // Ended has been called, or the application has closed the connection
	wantWrite bool    // TryWrite took less than its argument
	failed    error   // error that ended the connection, after TryWrite has returned it
	read      bool    // data has been read since Received was called last
	busy      bool    // a goroutine is in serve
}

// leaveTo makes the Handler that open returns serve c. The entry's lock is held.
func (c *Conn) leaveTo(open func(*Conn) Handler) {
	c.handling, c.entry.served = &handlerState{open: open}, c
}

// callsAtOnce is the largest number of calls of a Handler that are made while other connections wait.
const callsAtOnce = 16

// Resume continues a paused connection, whose Handler has not taken all data: Received is called again. Resume does not
// block, and the Handler's methods are not called before it returns. It does nothing on a connection without a Handler.
func (c *Conn) Resume() {
	c.entry.mu.Lock()
	defer c.entry.mu.Unlock()
	if v := c.handling; v != nil && v.paused {
		v.paused = false
		c.requeue()
	}
}

// requeue schedules a call of serve: by the timer while the entry belongs to c, and by a goroutine after that. The
// entry's lock is held.
func (c *Conn) requeue() {
	e := c.entry
	if c.handling.busy {
		return
	}
	if c.attached() && e.tcp != nil {
		c.stack.wheels[e.wheel].Arm(&e.timer, c.stack.clock.Now())
		return
	}
	go c.serve()
}

// TryWrite writes as much of p as there is room for, without waiting, and returns that number of bytes. If it is less
// than len(p) and the connection has a Handler, Writable is called when there is room again. A lack of room is not an
// error. Other errors are those of Write.
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
	if c.writing { // data of concurrent calls does not mix; unlockWrite leads to Writable
		if c.handling != nil {
			c.handling.wantWrite = len(p) > 0
		}
		return 0, nil
	}
	n, err := c.tcp.Write(c.stack.clock.Now(), p)
	if err == conn.ErrWouldBlock {
		err = nil
	}
	if n > 0 {
		c.afterCall()
	}
	if c.handling != nil {
		c.handling.wantWrite = n < len(p) && err == nil
		if err != nil && err != conn.ErrPipe {
			c.handling.failed = err
		}
	}
	return n, err
}

// serve makes the calls of c's Handler that are due, and flushes. It does nothing if c is nil or has no Handler. After
// callsAtOnce calls it leaves the others to the timer, so that a Handler that always has more to do does not occupy the
// goroutine. A connection that has ended receives nothing more, so its calls are bounded. The entry's lock is not held.
func (c *Conn) serve() {
	if c == nil || c.handling == nil {
		return
	}
	c.entry.mu.Lock()
	defer c.entry.mu.Unlock()
	if v := c.handling; !v.busy {
		v.busy = true
		more := true
		b := block.Buffers.Get().(*[]byte)
		for n := 0; more && (n < callsAtOnce || !c.attached()); n++ {
			more = c.callHandler(*b)
		}
		block.Buffers.Put(b)
		v.busy = false
		if more {
			defer c.requeue()
		}
	}
	c.afterCall()
}

// callHandler makes the next call, and reports whether it made one. The entry's lock is held, except during the call.
func (c *Conn) callHandler(b []byte) bool {
	v, mu := c.handling, &c.entry.mu
	var data []byte
	var memory buffer.Borrowed
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
	case c.closed: // by Shutdown or the end of the stack
		err = c.ended()
	case v.ended:
	case !v.paused:
		data, memory, err = c.tryNext(b, true)
	case c.tcp.State() == conn.Closed && c.tcp.Err() != nil: // no Writable follows
		err = c.readError(b)
	}
	if err == io.EOF && v.failed != nil {
		err = v.failed // TryWrite has returned it, and Read does not return it again
	}
	switch {
	case len(data) > 0:
		c.callReceived(data, memory)
	case err != nil && err != conn.ErrWouldBlock:
		v.ended = true
		mu.Unlock()
		v.handler.Ended(c, c.opError("read", err))
		mu.Lock()
	case v.wantWrite && !c.closed && !c.writing && c.tcp.Ready()&conn.ReadyWrite != 0:
		v.wantWrite, v.paused = false, false
		mu.Unlock()
		v.handler.Writable(c)
		mu.Lock()
	default:
		return false
	}
	return true
}

// callReceived calls Received with data that has been read, and puts the bytes that Received does not take back into
// the receive buffer, where they count as memory in use. Memory is the borrowed memory of data, nil if data is a copy.
func (c *Conn) callReceived(data []byte, memory buffer.Borrowed) {
	v, mu := c.handling, &c.entry.mu
	v.paused, v.read = true, false // Resume undoes the pause, also during the call
	mu.Unlock()
	n := v.handler.Received(c, data)
	mu.Lock()
	if n < 0 || n > len(data) {
		panic(fmt.Sprintf("stack: Handler.Received took %d bytes of %d", n, len(data)))
	}
	v.paused = v.paused && n < len(data)
	switch {
	case n < len(data) && !v.ended && !c.closed && !v.read:
		c.tcp.Unread(data[n:], memory)
	case memory != nil:
		memory.Release()
	}
}

// readError reads and discards the remaining data, in b, and returns the error that follows it.
func (c *Conn) readError(b []byte) error {
	for {
		if _, err := c.tcp.Read(b); err != nil {
			return err
		}
	}
}
