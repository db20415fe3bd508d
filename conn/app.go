package conn

import (
	"io"
	"time"

	"minitcp/conn/buffer"
)

// Read copies data that has arrived in order to p. It returns 0 and [ErrWouldBlock] if there is none yet, and [io.EOF]
// after the peer's FIN. After an abnormal end it returns the error of [Conn.Err] once all earlier data is read, and
// then [io.EOF]. It returns [io.EOF] at once if Write has returned that error, as Linux does.
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

// ReadBuffer acts like Read without a copy. If the next bytes are in a [Segment]'s Buffer, it returns them and the
// buffer, which the caller must release. Otherwise it returns nil, and the caller uses Read.
func (c *Conn) ReadBuffer() ([]byte, buffer.Borrowed) {
	data, memory := c.rcv.buf.ReadBuffer(c.cfg.Pool)
	if memory != nil {
		c.considerWindowUpdate()
	}
	return data, memory
}

// Unread makes p, the last bytes that Read or ReadBuffer has returned, unread again. They count against the window and
// as memory in use. If memory is not nil, p is in it, and the connection takes over the caller's reference. After Close
// or CloseRead, Unread discards p.
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

// Write queues as much of p as fits into the send buffer and returns that number of bytes. It returns 0 and
// [ErrWouldBlock] if the buffer is full, and [ErrPipe] after CloseWrite. After an abnormal end it returns the error of
// [Conn.Err] once, and then [ErrPipe]. If the SYN of DialFastOpen waits for data, an empty Write sends it without.
func (c *Conn) Write(now Time, p []byte) (int, error) {
	c.resume()
	c.checkLimited(now)
	c.snd.moreFollows = false
	if err := c.writeError(); err != nil {
		return 0, err
	}
	n := min(len(p), c.sendRoom())
	if len(p) == 0 {
		c.stopAwaitingData()
		return 0, nil
	}
	c.active.waiting.writeRefused = n < len(p)
	if n <= 0 {
		return 0, ErrWouldBlock
	}
	c.snd.buf.Append(c.cfg.Pool, p[:n])
	c.active.sent.Reserve() // here the stack of the goroutine is not as deep as in Transmit
	return n, nil
}

// WriteMore acts like Write for a part of a larger write that is not the last part. A segment that is not full waits
// for the rest. A Write must follow, which may be empty.
func (c *Conn) WriteMore(now Time, p []byte) (int, error) {
	n, err := c.Write(now, p)
	c.snd.moreFollows = true
	return n, err
}

// WriteUrgent acts like Write, and makes the last byte queued the end of urgent data (RFC 9293 3.8.5, MUST-30,
// MUST-31).
func (c *Conn) WriteUrgent(now Time, p []byte) (int, error) {
	n, err := c.Write(now, p)
	if n > 0 {
		c.active.urgent.send = c.snd.buf.End()
	}
	return n, err
}

// writeError returns the reason why no data may be queued, or nil.
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

// SetUserTimeout sets the time for which sent data may be unacknowledged, or the peer's window closed, before the
// connection ends with [ErrTimeout]. 0 selects Config.R2 (RFC 9293 3.9.1.1, MUST-21).
func (c *Conn) SetUserTimeout(now Time, d time.Duration) {
	c.userLimit = max(d, 0)
	if c.active != nil && c.active.timer.giveUp != Never {
		c.active.timer.giveUp = Never
		c.armRetransmit(now)
	}
}

// SetNagle selects whether small segments wait (MUST-17).
func (c *Conn) SetNagle(m NagleMode) { c.nagle = m }
