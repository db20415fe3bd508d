package conn

import (
	"time"

	"minitcp/conn/buffer"
	"minitcp/conn/cc"
)

// Most connections of a server are idle, and their state dominates its memory use. A connection that has been idle for
// idleTime therefore releases active. It keeps the part in restart and forgets the rest. The next data allocates active
// again. An ACK, a keep-alive probe and the reply to it do not need active.
//
// It forgets:
//
//   - The window and its growth. After such a pause the window restarts in any case (RFC 5681 4.1), with the initial
//     window or less. Slow start ends at the threshold, which is kept, and CUBIC's curve begins there (RFC 9438 4.2).
//     BBR measures the path again, since its minimum RTT is valid for idleTime.
//   - The last episode of loss recovery and the means to undo it. A proof that it was spurious (D-SACK, an old
//     timestamp) would have arrived by now.
//   - The sizes to which the buffers have grown, unless the application has set them. The advertised window stays.

// idleTime is the time without activity after which a connection is idle, and the time without data after which its
// receive buffer returns to its initial limit.
const idleTime = 10 * time.Second

// restart holds the values with which the next active begins.
type restart struct {
	window    int64 // congestion window
	threshold int64 // slow start threshold
}

// resume allocates active if it is nil.
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

// quiescent reports whether no data is in flight, unsent, unread or out of order, and no timer runs except for
// keep-alive.
func (c *Conn) quiescent() bool {
	s, r, a := &c.snd, &c.rcv, c.active
	if s.una != s.max || s.nxt != s.max || s.end() != s.max || s.windowProbe || s.overrideSWS || s.moreFollows {
		return false
	}
	if r.buf.Readable() > 0 || len(r.buf.OutOfOrder()) > 0 || r.wnd.LastACK != r.nxt() || a.urgent.receive > r.buf.Start() ||
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

// armIdle starts the idle timer. It is called when there is nothing to send. Later events do not move the timer.
func (c *Conn) armIdle(now Time) {
	if c.active.timer.idle == Never && c.quiescent() {
		c.active.timer.idle = now.Add(idleTime)
	}
}

// idleTimeout hibernates if there has been no activity since the timer was set. Otherwise the next Transmit sets the
// timer again.
func (c *Conn) idleTimeout(now Time) {
	c.active.timer.idle = Never
	if !c.quiescent() {
		return
	}
	if idle := max(c.lastReceived, c.lastSent, c.challenge.Since()).Add(idleTime); now < idle {
		c.active.timer.idle = idle
		return
	}
	c.hibernate(now)
}
