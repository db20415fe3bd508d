package conn

import (
	"time"

	"minitcp/conn/buffer"
)

// CloseWrite closes the sending direction. A FIN follows the data that is queued, and data from the peer still arrives
// (half-close, RFC 9293 3.6). A second call has no effect.
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
	return nil // before ESTABLISHED, it takes effect on entering that state (RFC 9293 3.10.4)
}

// CloseRead discards unread data and all data that arrives later. Read returns [io.EOF]. The peer is not notified.
func (c *Conn) CloseRead() {
	c.rcv.discard = true
	c.rcv.buf.Skip(c.cfg.Pool, c.rcv.buf.Readable())
	c.considerWindowUpdate()
}

// Linger is the treatment of unacknowledged data after Close. The zero value sends it in the background, for as long as
// Config.R2 permits.
type Linger struct {
	Set bool
	// Timeout is the time for which data may be sent after Close, if Set is true. 0 discards the data and sends a RST.
	Timeout time.Duration
}

// Close releases the connection on behalf of the application. The connection sends the data that is queued and a FIN,
// and continues until its normal end. If unread data exists, the peer receives a RST instead of the FIN, since the
// application has not processed all data (RFC 9293 3.6.1, SHLD-3).
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
	case c.state == SynSent && (c.active.fast == nil || c.snd.buf.Size() == 0):
		c.fail(ErrClosed) // delete the TCB and send nothing: the peer may not exist (RFC 9293 3.10.4)
		return
	case unread, linger.Set && linger.Timeout <= 0:
		c.abort(ErrClosed)
		return
	}
	_ = c.CloseWrite() // no error is possible: the state is not CLOSED
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

// Abort ends the connection at once and sends a RST (RFC 9293 3.10.5).
func (c *Conn) Abort() {
	switch c.state {
	case Closed:
	case TimeWait:
		c.close()
	default:
		c.abort(ErrAborted)
	}
}

// orphanSilence is the time for which the peer of a connection that the application has closed may acknowledge nothing
// while memory is scarce.
const orphanSilence = 30 * time.Second

// armOrphan limits the time in FIN-WAIT-2 after Close, so that a peer that never closes does not hold the connection
// for ever. RFC 9293 has no such timer, but implementations generally do.
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

// orphanTimeout ends a connection after Close: in FIN-WAIT-2, after the linger time, or if memory is scarce and the
// peer has acknowledged nothing for orphanSilence.
//
// Deviation: scarce memory makes R2 shorter than 100 s (RFC 9293 3.8.3, SHLD-11). The application no longer uses the
// connection, and other connections need the memory of its data.
func (c *Conn) orphanTimeout(now Time) {
	switch silent := c.lastACKReceived.Add(orphanSilence); {
	case c.state == FinWait2:
		c.close() // a later segment finds no connection and causes a RST
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
