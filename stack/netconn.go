package stack

import (
	"net"
	"os"
	"syscall"
	"time"

	"minitcp/conn"
	"minitcp/conn/buffer"
)

// Conn is the application's end of a connection: a [net.Conn] with the methods of *net.TCPConn. All of them may be
// called from many goroutines at once. Three methods are missing: SyscallConn and File, because there is no descriptor, and
// MultipathTCP, because the stack has none. A library that looks for SyscallConn therefore treats a Conn as no socket.
//
// Errors are *net.OpError, but for a plain io.EOF after the peer's FIN; errors.Is finds [os.ErrDeadlineExceeded],
// [net.ErrClosed], and syscall.ECONNRESET, EPIPE, ETIMEDOUT, EHOSTUNREACH, ENETUNREACH as for the kernel's sockets. When
// the device has ended the stack, it finds the device's error; see [Stack.Err].
//
// The stack closes a Conn that the application has forgotten without Close when the garbage collector has found it, with the
// next packet or timer.
type Conn struct {
	stack *Stack
	entry *entry
	tcp   *conn.Conn // outlives the entry's use of it: what has arrived can be read after TIME-WAIT has begun

	handling *handlerState // by a Handler; nil: it is not

	// The rest is guarded by entry.mu.
	rd, wr  direction
	linger  conn.Linger
	writing bool
	closed  bool
	cut     bool // closed by the end of the stack
}

func newConn(s *Stack, e *entry, tcp *conn.Conn) *Conn {
	c := &Conn{stack: s, entry: e, tcp: tcp}
	c.watch()
	return c
}

// attached reports whether what happens to the connection still concerns c. The entry's lock is held.
func (c *Conn) attached() bool { return c.entry.user.isSet() }

var errDeadline = os.ErrDeadlineExceeded

// mayUse is why calls on the half fail before they begin, nil if they do not.
func (c *Conn) mayUse(h *direction) error {
	switch {
	case c.closed:
		return c.ended()
	case h.passed():
		return errDeadline
	}
	return nil
}

// afterCall flushes the entry after a call on the connection. The entry's lock is held.
func (c *Conn) afterCall() {
	if c.entry.tcp == nil {
		return
	}
	w := c.stack.borrowWriter()
	c.stack.flush(c.entry, w)
	c.stack.returnWriter(w)
}

// wake wakes those who wait for what has become possible.
func (c *Conn) wake(r conn.Ready) {
	if r&conn.ReadyRead != 0 {
		c.rd.wake()
	}
	if r&conn.ReadyWrite != 0 {
		c.wr.wake()
	}
}

// Read reads what has arrived, and waits if there is nothing. After the peer's FIN it returns [io.EOF].
func (c *Conn) Read(p []byte) (int, error) {
	n, err := c.read(p)
	return n, c.opError("read", err)
}

func (c *Conn) read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, c.readNothing()
	}
	data, _, err := c.next(p, false)
	return len(data), err
}

// readNothing is a Read of no octets.
func (c *Conn) readNothing() error {
	c.entry.mu.Lock()
	defer c.entry.mu.Unlock()
	if c.closed {
		return c.ended()
	}
	return nil
}

// next waits for data. If take is set and the data lies in borrowed memory, it returns the data there and the memory, which
// the caller must release. Otherwise it copies the data to p.
func (c *Conn) next(p []byte, take bool) ([]byte, buffer.Borrowed, error) {
	e := c.entry
	e.mu.Lock()
	defer e.mu.Unlock()
	for {
		if err := c.mayUse(&c.rd); err != nil {
			c.wakeNext()
			return nil, nil, err
		}
		data, memory, err := c.tryNext(p, take)
		if err != conn.ErrWouldBlock {
			c.afterCall()
			c.wakeNext()
			return data, memory, err
		}
		c.wait(&c.rd)
	}
}

// tryNext is next without waiting: then the error is conn.ErrWouldBlock. The entry's lock is held.
func (c *Conn) tryNext(p []byte, take bool) ([]byte, buffer.Borrowed, error) {
	if c.handling != nil {
		c.handling.read = true
	}
	if take {
		if data, memory := c.tcp.ReadBuffer(); memory != nil {
			return data, memory, nil
		}
	}
	n, err := c.tcp.Read(p)
	return p[:n], nil, err
}

// wakeNext wakes the next who waits, if there is something left for it.
func (c *Conn) wakeNext() {
	if c.rd.waitQueue != nil || c.wr.waitQueue != nil {
		c.wake(c.tcp.Ready())
	}
}

// Write sends p, and waits until all of it has been taken into the send buffer. What concurrent calls write does not
// mix. Should it fail on the way it says how much had been taken.
func (c *Conn) Write(p []byte) (int, error) {
	n, err := c.write(p)
	return n, c.opError("write", err)
}

// maxCopy is how much is copied under the lock at a time, about a superframe, so that ACKs need not wait for long.
const maxCopy = 64 << 10

// write writes p in pieces.
func (c *Conn) write(p []byte) (n int, err error) {
	e := c.entry
	e.mu.Lock()
	defer e.mu.Unlock()
	if err := c.lockWrite(); err != nil {
		return 0, err
	}
	defer c.unlockWrite()
	frame := maxCopy
	if len(p) > maxCopy {
		frame = max(frame, c.stack.frameLimit.of(c.stack.clock.now(), e))
	}
	for held := 0; ; { // octets taken, and not yet sent though they may be
		if err := c.mayUse(&c.wr); err != nil {
			return n, c.endWrite(n, err)
		}
		part, write := p[n:], c.tcp.Write
		if len(part) > maxCopy {
			part, write = part[:maxCopy], c.tcp.WriteMore
		}
		m, err := write(c.stack.clock.now(), part)
		n += m
		held += m
		if held >= frame || held > 0 && (err != nil || n == len(p)) {
			c.afterCall()
			held = 0
		}
		switch {
		case err == nil && n == len(p):
			return n, nil
		case err == nil:
			e.yield()
		case err == conn.ErrWouldBlock:
			c.wait(&c.wr)
		default:
			return n, err
		}
	}
}

// endWrite lets go what waited for the rest of a Write that fails.
func (c *Conn) endWrite(n int, err error) error {
	if n > 0 {
		c.tcp.Write(c.stack.clock.now(), nil)
		c.afterCall()
	}
	return err
}

// lockWrite waits until no other Write is under way.
func (c *Conn) lockWrite() error {
	for {
		if err := c.mayUse(&c.wr); err != nil {
			return err
		}
		if !c.writing {
			c.writing = true
			return nil
		}
		c.waitWriteLock()
	}
}

func (c *Conn) unlockWrite() {
	c.writing = false
	c.wr.wakeWriter()
	if c.handling != nil && c.handling.wantWrite {
		c.requeue()
	}
}

// Close lets go of the connection: blocked calls return, and what was written goes out in the background, followed by
// a FIN; see [Conn.SetLinger]. If data has arrived that was not read, the peer gets a RST instead (RFC 9293 3.6.1,
// SHLD-3).
func (c *Conn) Close() error {
	e := c.entry
	e.mu.Lock()
	defer e.mu.Unlock()
	if c.closed {
		return c.opError("close", c.ended())
	}
	if c.handling != nil {
		c.handling.ended = true // no call is made any more
	}
	c.closeLocked()
	return nil
}

// closeLocked is Close of a connection that is open. The entry's lock is held.
func (c *Conn) closeLocked() {
	c.markClosed()
	c.tcp.Close(c.stack.clock.now(), c.linger)
	c.afterCall()
	c.stack.orphaned(c.entry)
}

// abort closes the connection with a RST.
func (c *Conn) abort() {
	e := c.entry
	e.mu.Lock()
	defer e.mu.Unlock()
	c.markClosed()
	c.tcp.Close(c.stack.clock.now(), conn.Linger{Set: true})
	c.afterCall()
}

// markClosed makes every call on the connection fail from now on.
func (c *Conn) markClosed() {
	c.closed = true
	c.ignore()
	c.rd.stop()
	c.wr.stop()
	c.wr.wake() // a dial, which does not look at the deadline
	c.entry.user = ref[Conn]{}
}

// CloseWrite sends a FIN after what was written; the peer may go on sending.
func (c *Conn) CloseWrite() error {
	return c.control("close", func(now conn.Time) error {
		if c.tcp.CloseWrite() != nil {
			return os.NewSyscallError("shutdown", syscall.ENOTCONN)
		}
		return nil
	})
}

// CloseRead makes Read return [io.EOF] from now on; what arrives is thrown away. The peer is not told.
func (c *Conn) CloseRead() error {
	return c.control("close", func(now conn.Time) error { c.tcp.CloseRead(); return nil })
}

// control makes a call on the connection and flushes it.
func (c *Conn) control(op string, call func(now conn.Time) error) error {
	e := c.entry
	e.mu.Lock()
	defer e.mu.Unlock()
	if c.closed {
		return c.opError(op, c.ended())
	}
	err := call(c.stack.clock.now())
	c.afterCall()
	c.wakeNext() // also when the entry is gone
	return c.opError(op, err)
}

// LocalAddr is this side's address, a *net.TCPAddr.
func (c *Conn) LocalAddr() net.Addr { return net.TCPAddrFromAddrPort(c.entry.key.localAddr()) }

// RemoteAddr is the peer's address, a *net.TCPAddr.
func (c *Conn) RemoteAddr() net.Addr { return net.TCPAddrFromAddrPort(c.entry.key.remoteAddr()) }

// SetDeadline sets the time from which Read and Write fail with [os.ErrDeadlineExceeded], also calls that wait already;
// the zero time means never.
func (c *Conn) SetDeadline(t time.Time) error { return c.setDeadlines(t, &c.rd, &c.wr) }

// SetReadDeadline is SetDeadline for Read.
func (c *Conn) SetReadDeadline(t time.Time) error { return c.setDeadlines(t, &c.rd, nil) }

// SetWriteDeadline is SetDeadline for Write. A Write that fails may have sent a part of its data.
func (c *Conn) SetWriteDeadline(t time.Time) error { return c.setDeadlines(t, nil, &c.wr) }

func (c *Conn) setDeadlines(t time.Time, directions ...*direction) error {
	c.entry.mu.Lock()
	defer c.entry.mu.Unlock()
	if c.closed {
		return opError("set", nil, c.LocalAddr(), c.ended()) // so does package net
	}
	for _, h := range directions {
		if h != nil {
			c.setDeadline(h, t)
		}
	}
	return nil
}
