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

// CloseWrite closes our direction: a FIN follows the data already queued, and the peer's data keeps coming
// (RFC 9293 3.6: half-close). Calling it again does nothing.
func (c *Conn) CloseWrite() error {
	switch {
	case c.state == Closed && c.err != 0:
		return c.err
	case c.snd.finQueued, c.state == Closed:
		return nil
	}
	c.snd.finQueued = true
	switch c.state {
	case Established:
		c.setState(FinWait1)
	case CloseWait:
		c.setState(LastAck)
	}
	return nil // before ESTABLISHED it takes effect there (RFC 9293 3.10.4)
}

// CloseRead drops what has arrived and what will: Read returns [io.EOF] from now on. The peer is not told.
func (c *Conn) CloseRead() {
	c.rcv.discard = true
	c.rcv.buf.Skip(c.cfg.Pool, c.rcv.buf.Readable())
	c.considerWindowUpdate()
}

// Linger says what Close does about data that is not acknowledged yet. The zero value sends it in the background for
// as long as that takes, as R2 allows.
type Linger struct {
	Set bool
	// Timeout is how long it may take, when Set. 0 sends nothing more but a RST.
	Timeout time.Duration
}

// Close is the application letting go. The connection goes on by itself until it is released; data still queued is
// sent, then a FIN. If data has arrived that was never read, the peer cannot believe it was: it gets a RST instead
// (RFC 9293 3.6.1, SHLD-3).
func (c *Conn) Close(now Time, linger Linger) {
	if c.orphan {
		return
	}
	c.resume()
	c.orphan = true
	unread := c.rcv.buf.Readable() > 0
	switch {
	case c.state == Closed:
		c.rcv.buf.Discard(c.cfg.Pool)
		return
	case c.state == TimeWait:
		c.rcv.buf.Discard(c.cfg.Pool)
		return
	case c.state == SynSent:
		c.fail(ErrClosed) // delete the TCB; nothing is told to a peer that may not exist (RFC 9293 3.10.4)
		return
	case unread, linger.Set && linger.Timeout <= 0:
		c.abort(ErrClosed)
		return
	}
	_ = c.CloseWrite() // cannot fail: the state is not CLOSED
	c.lingers = linger.Set
	c.active.timer.orphan = now.Add(orphanSilence)
	if linger.Set {
		c.active.timer.orphan = now.Add(linger.Timeout)
	}
	if c.state == FinWait2 {
		c.armOrphan(now)
	}
	if c.snd.windowClosed() && c.active.timer.giveUp != Never {
		c.active.timer.giveUp = min(c.active.timer.giveUp, now.Add(c.cfg.R2))
	}
}

// Abort ends the connection at once, with a RST to the peer (RFC 9293 3.10.5).
func (c *Conn) Abort() {
	switch c.state {
	case Closed:
	case TimeWait:
		c.close()
	default:
		c.abort(ErrAborted)
	}
}

// orphanSilence is how long the peer of a connection that the application has closed may acknowledge nothing while memory
// is scarce.
const orphanSilence = 30 * time.Second

// armOrphan bounds FIN-WAIT-2 after Close: a peer that never closes must not hold the connection for ever.
// (RFC 9293 has no such timer; every implementation does.)
func (c *Conn) armOrphan(now Time) {
	if !c.orphan || c.state != FinWait2 {
		return
	}
	end := now.Add(c.cfg.FinWait2Timeout)
	if c.lingers {
		end = min(end, c.active.timer.orphan)
	}
	c.active.timer.orphan = end
}

// orphanTimeout ends a connection after Close: in FIN-WAIT-2, after the linger time, and when memory is scarce and the
// peer has acknowledged nothing for a while.
//
// Deviation: memory that is scarce makes R2 shorter than 100 s (RFC 9293 3.8.3, SHLD-11). The application has let go of the
// connection, and others need the memory that its data takes.
func (c *Conn) orphanTimeout(now Time) {
	switch silent := c.lastACKReceived.Add(orphanSilence); {
	case c.state == FinWait2:
		c.close() // a later segment finds no connection, and is answered with a RST
	case c.lingers:
		c.abort(ErrLingerTimeout)
	case now < silent:
		c.active.timer.orphan = silent
	case c.cfg.Pressure.Level() >= buffer.Scarce:
		c.abort(c.timeoutError())
	default:
		c.active.timer.orphan = now.Add(orphanSilence)
	}
}

// Ready says which calls would not block, and what else an application wants to be woken for.
type Ready uint8

const (
	// ReadyRead: Read would return data, io.EOF or an error.
	ReadyRead Ready = 1 << iota
	// ReadyWrite: Write would take a useful amount, or return an error.
	ReadyWrite
	// ReadyConnected: the handshake has completed, or failed.
	ReadyConnected
	// ReadyUrgent: urgent data is ahead of the reader (RFC 9293 3.8.5, MUST-32).
	ReadyUrgent
	// ReadyTrouble: one segment has been sent R1 times without an answer (RFC 9293 3.8.3, SHLD-9).
	ReadyTrouble
	// ReadyClosed: the connection is over and has nothing left to send; the driver may forget it.
	ReadyClosed
)

var readyNames = [...]string{"read", "write", "connected", "urgent", "trouble", "closed"}

// String returns the names of the conditions with a "|" between them, such as "read|write", or "none".
func (r Ready) String() string {
	text := ""
	for i, name := range readyNames {
		if r&(1<<i) != 0 {
			text += "|" + name
		}
	}
	if text == "" {
		return "none"
	}
	return text[1:]
}

// Ready returns the conditions that hold now.
func (c *Conn) Ready() Ready {
	var r Ready
	over := c.state == Closed
	if over || c.rcv.buf.Readable() > 0 || c.rcv.finDone || c.rcv.discard {
		r |= ReadyRead
	}
	if over || c.snd.finQueued || c.state.maySend() && c.sendRoom() >= c.sendBufferLimit()/4 {
		r |= ReadyWrite
	}
	if over || c.state.synchronized() {
		r |= ReadyConnected
	}
	if c.rcv.urgent > c.rcv.buf.Start() {
		r |= ReadyUrgent
	}
	if int(c.timeouts) >= c.cfg.R1 {
		r |= ReadyTrouble
	}
	if over && !c.resetDue {
		r |= ReadyClosed
	}
	return r
}
