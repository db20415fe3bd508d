package stack

import (
	"net"
	"os"
	"syscall"
	"time"

	"minitcp/conn"
	"minitcp/conn/buffer"
	"minitcp/stack/internal/block"
	"minitcp/stack/internal/wait"
)

// Conn is the application's end of a connection: a [net.Conn] with the methods of *net.TCPConn. Its methods may be
// called from several goroutines at once. Three methods are missing: SyscallConn and File, because there is no file
// descriptor, and MultipathTCP, because the stack does not implement it.
//
// Errors are *net.OpError, except for io.EOF after the peer's FIN. As with the kernel's sockets, errors.Is finds
// [os.ErrDeadlineExceeded], [net.ErrClosed], and syscall.ECONNRESET, EPIPE, ETIMEDOUT, EHOSTUNREACH and ENETUNREACH.
// When the device has ended the stack, it finds the device's error; see [Stack.Err].
//
// The stack closes a Conn that the application has abandoned without Close: after the garbage collector has found it,
// with the next packet or timer.
type Conn struct {
	stack *Stack
	entry *entry
	tcp   *conn.Conn // usable after the entry has released it: data received before TIME-WAIT can still be read

	handling *handlerState // nil without a Handler

	*user
}

// user is the state of a Conn that the stack needs. The entry refers to it in place of the Conn, so that the garbage
// collector finds a Conn that the application has forgotten. The entry's lock guards it.
type user struct {
	rd, wr  wait.Direction
	linger  conn.Linger
	writing bool // a Write holds the write lock
	closed  bool
	cut     bool // closed by the end of the stack
}

func newConn(s *Stack, e *entry, tcp *conn.Conn) *Conn {
	c := &Conn{stack: s, entry: e, tcp: tcp, user: new(user)}
	c.watch()
	return c
}

// attached reports whether the entry belongs to c. The entry's lock is held.
func (c *Conn) attached() bool { return c.entry.user != nil }

var errDeadline = os.ErrDeadlineExceeded

// mayUse returns the error of calls on a direction that is closed or whose deadline has passed, and nil otherwise.
func (c *Conn) mayUse(h *wait.Direction) error {
	switch {
	case c.closed:
		return c.ended()
	case h.Passed():
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

// wake wakes the calls that can continue.
func (u *user) wake(r conn.Ready) {
	if r&conn.ReadyRead != 0 {
		u.rd.Wake()
	}
	if r&conn.ReadyWrite != 0 {
		u.wr.Wake()
	}
}

// Read reads data that has arrived, and waits if there is none. After the peer's FIN it returns [io.EOF].
func (c *Conn) Read(p []byte) (int, error) {
	n, err := c.read(p)
	return n, c.opError("read", err)
}

func (c *Conn) read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, c.readNothing()
	}
	c.entry.mu.Lock()
	defer c.entry.mu.Unlock()
	if err := c.waitData(); err != nil {
		return 0, err
	}
	data, _, err := c.tryNext(p, false)
	c.afterCall()
	c.wakeNext()
	return len(data), err
}

// waitData waits until a read returns without waiting. The entry's lock is held.
func (c *Conn) waitData() error {
	for {
		if err := c.mayUse(&c.rd); err != nil {
			c.wakeNext()
			return err
		}
		if c.tcp.Readable() {
			return nil
		}
		c.rd.Wait(&c.entry.mu)
	}
}

// readNothing implements Read into an empty slice.
func (c *Conn) readNothing() error {
	c.entry.mu.Lock()
	defer c.entry.mu.Unlock()
	if c.closed {
		return c.ended()
	}
	return nil
}

// next waits for data and returns it where it lies or in a buffer, which it takes when there is data: a call that waits
// holds no buffer. The caller must release the block.
func (c *Conn) next() (b block.Block, err error) {
	c.entry.mu.Lock()
	defer c.entry.mu.Unlock()
	if err := c.waitData(); err != nil {
		return b, err
	}
	b.Data, b.Frame, err = c.tryNext(nil, true)
	switch {
	case b.Frame != nil:
		b.Follow(c.tcp)
	case err == nil:
		b.Buffer = block.Buffers.Get().(*[]byte)
		b.Data, _, err = c.tryNext(*b.Buffer, false)
	}
	c.afterCall()
	c.wakeNext()
	return b, err
}

// tryNext returns data without waiting: if there is none, the error is conn.ErrWouldBlock. If take is set and the data
// lies in borrowed memory, it returns the data there and the memory, which the caller must release. Otherwise it copies
// the data to p. The entry's lock is held.
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

// wakeNext wakes another blocked call if the connection is still ready.
func (c *Conn) wakeNext() {
	if c.rd.Used() || c.wr.Used() {
		c.wake(c.tcp.Ready())
	}
}

// Write writes p, and returns when all of it is in the send buffer. The data of concurrent calls is not interleaved. If
// Write fails, n is the number of bytes that are in the send buffer.
func (c *Conn) Write(p []byte) (int, error) {
	n, err := c.write(p)
	return n, c.opError("write", err)
}

// maxCopy is the largest number of bytes copied while the lock is held, about a superframe. Segments that arrive wait
// for no longer copy.
const maxCopy = block.Size

// write writes p in pieces.
func (c *Conn) write(p []byte) (n int, err error) {
	e := c.entry
	if err := c.lockWrite(); err != nil {
		return 0, err
	}
	defer c.unlockWrite()
	frame := maxCopy
	if len(p) > maxCopy {
		frame = max(frame, c.stack.frameLimitOf(c.stack.clock.Now(), e))
	}
	for held := 0; ; { // held: bytes in the send buffer that have not been sent, though they may be
		if err := c.mayUse(&c.wr); err != nil {
			return n, c.endWrite(n, err)
		}
		m, err := c.queue(p[n:])
		n += m
		held += m
		if held >= frame || held > 0 && (err != nil || n == len(p)) || len(p) == 0 {
			c.afterCall() // an empty Write may have sent the SYN of Fast Open
			held = 0
		}
		switch {
		case err == nil && n == len(p):
			return n, nil
		case err == nil:
			e.yield()
		case err == conn.ErrWouldBlock:
			c.wr.Wait(&e.mu)
		default:
			return n, err
		}
	}
}

// queue puts a piece of the rest of a Write into the send buffer, as much as fits.
func (c *Conn) queue(rest []byte) (int, error) {
	now := c.stack.clock.Now()
	if len(rest) > maxCopy {
		return c.tcp.WriteMore(now, rest[:maxCopy])
	}
	return c.tcp.Write(now, rest)
}

// endWrite sends the data that waits for the rest of a Write, which fails with err.
func (c *Conn) endWrite(n int, err error) error {
	if n > 0 {
		c.tcp.Write(c.stack.clock.Now(), nil)
		c.afterCall()
	}
	return err
}

// lockWrite locks the entry, and waits until no other Write is in progress. If it returns an error, the entry is not
// locked.
func (c *Conn) lockWrite() error {
	e := c.entry
	e.mu.Lock()
	for {
		if err := c.mayUse(&c.wr); err != nil {
			e.mu.Unlock()
			return err
		}
		if !c.writing {
			c.writing = true
			return nil
		}
		c.wr.WaitTurn(&e.mu)
	}
}

// unlockWrite lets the next Write continue, and unlocks the entry.
func (c *Conn) unlockWrite() {
	c.writing = false
	c.wr.WakeTurn()
	if c.handling != nil && c.handling.wantWrite {
		c.requeue()
	}
	c.entry.mu.Unlock()
}

// Close closes the connection. Blocked calls return. Data in the send buffer is sent in the background, followed by a
// FIN; see [Conn.SetLinger]. If data has arrived and was not read, the peer gets a RST instead [RFC 9293 3.6.1,
// SHLD-3].
func (c *Conn) Close() error {
	e := c.entry
	e.mu.Lock()
	defer e.mu.Unlock()
	if c.closed {
		return c.opError("close", c.ended())
	}
	if c.handling != nil {
		c.handling.ended = true // no further call is made
	}
	c.closeLocked()
	return nil
}

// closeLocked closes a connection that is open. The entry's lock is held.
func (c *Conn) closeLocked() {
	c.markClosed()
	c.tcp.Close(c.stack.clock.Now(), c.linger)
	c.afterCall()
	c.stack.orphaned(c.entry)
}

// abort closes the connection with a RST.
func (c *Conn) abort() {
	e := c.entry
	e.mu.Lock()
	defer e.mu.Unlock()
	c.markClosed()
	c.tcp.Close(c.stack.clock.Now(), conn.Linger{Set: true})
	c.afterCall()
}

// markClosed makes every call on the connection fail.
func (c *Conn) markClosed() {
	c.ignore()
	c.user.stop()
	c.entry.detach()
}

// stop makes every call fail.
func (u *user) stop() {
	u.closed = true
	u.rd.Stop()
	u.wr.Stop()
	u.wr.Wake() // a dial, which does not look at the deadline
}

// CloseWrite sends a FIN after the data in the send buffer. The peer may continue to send.
func (c *Conn) CloseWrite() error {
	return c.control("close", func(now conn.Time) error {
		if c.tcp.CloseWrite() != nil {
			return os.NewSyscallError("shutdown", syscall.ENOTCONN)
		}
		return nil
	})
}

// CloseRead makes Read return [io.EOF], and discards data that arrives from now on. Nothing is sent to the peer.
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
	err := call(c.stack.clock.Now())
	c.afterCall()
	c.wakeNext() // also when the entry is gone
	return c.opError(op, err)
}

// LocalAddr returns the local address, a *net.TCPAddr.
func (c *Conn) LocalAddr() net.Addr { return net.TCPAddrFromAddrPort(c.entry.Key.LocalAddr()) }

// RemoteAddr returns the peer's address, a *net.TCPAddr.
func (c *Conn) RemoteAddr() net.Addr { return net.TCPAddrFromAddrPort(c.entry.Key.RemoteAddr()) }

// SetDeadline sets the time from which Read and Write fail with [os.ErrDeadlineExceeded], including calls that are
// blocked. The zero time means no deadline.
func (c *Conn) SetDeadline(t time.Time) error { return c.setDeadlines(t, &c.rd, &c.wr) }

// SetReadDeadline acts like [Conn.SetDeadline] for Read alone.
func (c *Conn) SetReadDeadline(t time.Time) error { return c.setDeadlines(t, &c.rd, nil) }

// SetWriteDeadline acts like [Conn.SetDeadline] for Write alone. A Write that fails may have sent a part of its data.
func (c *Conn) SetWriteDeadline(t time.Time) error { return c.setDeadlines(t, nil, &c.wr) }

func (c *Conn) setDeadlines(t time.Time, directions ...*wait.Direction) error {
	c.entry.mu.Lock()
	defer c.entry.mu.Unlock()
	if c.closed {
		return opError("set", nil, c.LocalAddr(), c.ended()) // so does package net
	}
	for _, h := range directions {
		if h != nil {
			h.SetDeadline(&c.entry.mu, t)
		}
	}
	return nil
}
