package conn

import (
	"minitcp/conn/buffer"
	"time"
)

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
