package conn

import (
	"io"
	"time"

	"minitcp/conn/buffer"
)

// Read moves data that arrived in order to p. It returns 0 and [ErrWouldBlock] when there is none yet, [io.EOF] after
// the peer's FIN. After an abrupt end it returns the error of [Conn.Err] once all earlier data is read, and then [io.EOF],
// also if Write has returned the error, as Linux does.
func (c *Conn) Read(p []byte) (int, error) {
	b := &c.rcv.buf
	if b.Readable() > 0 {
		n := b.Read(c.cfg.Pool, p)
		c.considerWindowUpdate()
		return n, nil
	}
	switch {
	case c.rcv.discard, c.rcv.finDone:
		return 0, io.EOF
	case c.state == Closed:
		if c.err == 0 || c.errReported {
			return 0, io.EOF
		}
		c.errReported = true
		return 0, c.err
	}
	return 0, ErrWouldBlock
}

// ReadBuffer is Read without a copy. If the next bytes lie in a [Segment]'s Buffer, it returns them and the buffer, which the
// caller must release. Otherwise it returns nil, and the caller uses Read.
func (c *Conn) ReadBuffer() ([]byte, buffer.Borrowed) {
	data, memory := c.rcv.buf.ReadBuffer(c.cfg.Pool)
	if memory != nil {
		c.considerWindowUpdate()
	}
	return data, memory
}

// Unread puts p back, which are the last bytes that Read or ReadBuffer has returned: they are unread again, so that the window
// closes and they count as memory in use. If memory is not nil, p lies in it, and the connection takes over the caller's share.
// After Close or CloseRead p is discarded.
func (c *Conn) Unread(p []byte, memory buffer.Borrowed) {
	if c.orphan || c.rcv.discard {
		if memory != nil {
			memory.Release()
		}
		return
	}
	c.resume()
	c.rcv.buf.Unread(c.cfg.Pool, p, memory)
}

// Write queues as much of p as the send buffer has room for and returns how much that was; 0 and [ErrWouldBlock] when
// it is full. After CloseWrite it returns [ErrPipe]; after an abrupt end what [Conn.Err] says, and then [ErrPipe].
func (c *Conn) Write(now Time, p []byte) (int, error) {
	c.resume()
	c.checkLimited(now)
	c.snd.moreFollows = false
	if err := c.writeError(); err != nil {
		return 0, err
	}
	n := min(len(p), c.sendRoom())
	if len(p) == 0 {
		return 0, nil
	}
	c.active.chrono.writeRefused = n < len(p)
	if n <= 0 {
		return 0, ErrWouldBlock
	}
	c.snd.buf.Append(c.cfg.Pool, p[:n])
	return n, nil
}

// WriteMore is Write for all but the last part of what the application writes at once: a segment that is not full waits
// for the rest of it. A Write must follow, if only of no octets.
func (c *Conn) WriteMore(now Time, p []byte) (int, error) {
	n, err := c.Write(now, p)
	c.snd.moreFollows = true
	return n, err
}

// WriteUrgent is Write, and makes the last octet taken the end of urgent data (RFC 9293 3.8.5, MUST-30, MUST-31).
func (c *Conn) WriteUrgent(now Time, p []byte) (int, error) {
	n, err := c.Write(now, p)
	if n > 0 {
		c.snd.urgent = c.snd.buf.End()
	}
	return n, err
}

// writeError is why nothing may be queued, nil if something may.
func (c *Conn) writeError() error {
	switch {
	case c.state == Closed && c.err != 0 && !c.errReported:
		c.errReported = true
		return c.err
	case c.orphan:
		return ErrClosed
	case c.snd.finQueued, c.state == Closed, c.state == TimeWait:
		return ErrPipe
	}
	return nil
}

// SetUserTimeout sets how long sent data may stay unacknowledged, or the peer's window closed, before the connection
// ends with [ErrTimeout]; 0 returns to R2 (RFC 9293 3.9.1.1, MUST-21).
func (c *Conn) SetUserTimeout(now Time, d time.Duration) {
	c.userLimit = max(d, 0)
	if c.active != nil && c.active.timer.giveUp != Never {
		c.active.timer.giveUp = Never
		c.armRetransmit(now)
	}
}

// SetNagle says from now on whether small segments wait (MUST-17).
func (c *Conn) SetNagle(m NagleMode) { c.nagle = m }
