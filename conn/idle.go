package conn

import (
	"time"

	"minitcp/conn/buffer"
	"minitcp/conn/cc"
)

// Most connections of a server are idle most of the time, and their memory is the server's. A connection that has been
// idle for idleTime releases active: of the state in it, restart keeps the part that matters later, and the rest is
// forgotten. The next data makes active anew; an ACK, a keep-alive probe and its answer do without.
//
// Forgotten are:
//
//   - The window and its growth. After such a pause the window begins anew in any case (RFC 5681 4.1): as the initial one,
//     or less if it was less. Slow start ends at the threshold, which is kept. CUBIC's curve begins from there
//     (RFC 9438 4.2). BBR measures the path anew: its minimum of the round trip is valid for as long as idleTime.
//   - The last episode of loss recovery, and the means to undo it: a proof that it was a mistake (D-SACK, an old timestamp)
//     would have arrived by now.
//   - The size to which the buffers had grown, unless the application has set it. A window that was offered stays offered.

// idleTime is how long nothing must have happened for a connection to become idle, and no data have arrived for its receive
// buffer to return to its first size.
const idleTime = 10 * time.Second

// restart is what the next active begins with.
type restart struct {
	window    int64 // congestion window
	threshold int64 // of slow start
}

// resume makes active, if there is none.
func (c *Conn) resume() {
	if c.active != nil {
		return
	}
	c.active = &active{timer: noTimers}
	c.active.sent.SetDelivered(max(0, int64(min(c.snd.una, c.snd.buf.End()))-1))
	c.active.recovery.marked = c.snd.una
	c.active.cc = c.newController(c.restart.window)
	c.active.cc.Resume(c.restart.threshold)
}

// hibernate releases active. The connection must be quiescent.
func (c *Conn) hibernate(now Time) {
	c.accountTime(now)
	c.endBulk()
	control := c.active.cc
	control.OnIdle()
	c.restart = restart{
		window:    min(control.Window(), cc.InitialWindow(c.fullSize())),
		threshold: control.SlowStartThreshold(),
	}
	c.active = nil
	c.snd.buf = buffer.SendAt(c.snd.buf.End())
	c.rcv.buf = buffer.ReceiveAt(c.rcv.buf.Next())
	if !c.snd.fixed {
		c.snd.bufferLimit = int32(c.cfg.SendBuffer)
	}
	if !c.rcv.fixed {
		c.rcv.bufferLimit = c.cfg.ReceiveBuffer
	}
}

// quiescent reports whether nothing is in flight, unsent, unread or out of order, and no timer runs but that of keep-alive.
func (c *Conn) quiescent() bool {
	s, r, a := &c.snd, &c.rcv, c.active
	if s.una != s.max || s.nxt != s.max || s.end() != s.max || s.windowProbe || s.overrideSWS || s.moreFollows {
		return false
	}
	if r.buf.Readable() > 0 || len(r.buf.OutOfOrder()) > 0 || r.lastACK != r.nxt() || a.urgent.receive > r.buf.Start() ||
		!r.finDone && r.finAt != never || c.ack.due {
		return false
	}
	switch c.state {
	case Established, CloseWait, FinWait2:
	default:
		return false
	}
	if c.orphan || a.tailProbe != (tailProbe{}) || a.recovery.phase != noRecovery || a.recovery.reducing || c.timeouts > 0 {
		return false
	}
	t := a.timer
	t.idle = Never
	return t == noTimers
}

// armIdle is called when there is nothing to send. What happens afterwards does not move the timer.
func (c *Conn) armIdle(now Time) {
	if c.active.timer.idle == Never && c.quiescent() {
		c.active.timer.idle = now.Add(idleTime)
	}
}

// idleTimeout hibernates if nothing has happened since the timer was set and nothing is happening now. Otherwise the next
// Transmit sets the timer again.
func (c *Conn) idleTimeout(now Time) {
	c.active.timer.idle = Never
	if !c.quiescent() {
		return
	}
	if idle := max(c.lastReceived, c.lastSent, c.challenge.since).Add(idleTime); now < idle {
		c.active.timer.idle = idle
		return
	}
	c.hibernate(now)
}
