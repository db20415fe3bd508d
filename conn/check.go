package conn

import (
	"cmp"
	"fmt"
)

// Check returns an error if an invariant of the connection does not hold. The invariants hold between any two calls,
// independent of the peer and the application. Check is for tests, and changes nothing.
func (c *Conn) Check() error {
	err := cmp.Or(c.checkState(), c.checkSend(), c.checkReceive(), c.checkWaits())
	switch {
	case err != nil:
	case c.active == nil:
		err = c.checkIdle()
	default:
		err = cmp.Or(c.active.sent.Check(), c.checkController(), c.checkECN(), c.checkTimers())
	}
	if err != nil {
		return fmt.Errorf("%v: %w", c.state, err)
	}
	return nil
}

// checkState compares the state with the FINs sent and received (RFC 9293 figure 5).
func (c *Conn) checkState() error {
	ours, acked, theirs := c.snd.finQueued, c.snd.finAcked(), c.rcv.finDone
	ok := true
	switch c.state {
	case Listen:
		ok = false
	case SynSent, SynReceived:
		ok = !theirs
	case Established:
		ok = !ours && !theirs
	case FinWait1:
		ok = ours && !acked && !theirs
	case FinWait2:
		ok = ours && acked && !theirs
	case CloseWait:
		ok = !ours && theirs
	case Closing, LastAck:
		ok = ours && !acked && theirs
	case TimeWait:
		ok = ours && acked && theirs
	}
	if !ok {
		return fmt.Errorf("our FIN queued %v, acknowledged %v, the peer's taken %v", ours, acked, theirs)
	}
	return nil
}

// checkWaits checks that SendWaits is true whenever SendState matters.
func (c *Conn) checkWaits() error {
	if s := c.SendState(); (s.Stalled || s.WindowLimited) && !c.SendWaits() {
		return fmt.Errorf("SendWaits is false in the state %+v", s)
	}
	return nil
}

func (c *Conn) checkController() error {
	switch {
	case c.state.synchronized() && c.active.cc == nil:
		return fmt.Errorf("no congestion control")
	case c.active.cc != nil && c.active.cc.Window() < 1:
		return fmt.Errorf("congestion window %d", c.active.cc.Window())
	}
	return nil
}

// checkIdle returns an error if an idle connection has data that needs active. A FIN may be waiting for Transmit.
func (c *Conn) checkIdle() error {
	s, r := &c.snd, &c.rcv
	switch {
	case s.una != s.max || s.nxt != s.max || s.buf.Size() > 0:
		return fmt.Errorf("idle, and data is unacknowledged: %+v", *s)
	case r.buf.Readable() > 0 || len(r.buf.OutOfOrder()) > 0:
		return fmt.Errorf("idle, and data is unread: %+v", *r)
	case c.orphan && c.state != Closed && c.state != TimeWait:
		return fmt.Errorf("idle, and the application has closed")
	case c.keepAlive.Enable && c.state.synchronized() && c.state != TimeWait && c.keepAliveTimer == Never:
		return fmt.Errorf("keep-alive is on and its timer does not run")
	}
	return nil
}

func (c *Conn) checkSend() error {
	s := &c.snd
	start := min(max(s.una, 1), s.buf.End())
	if c.state == Closed || c.state == TimeWait {
		start = s.buf.End() // the buffer is empty
	}
	switch {
	case s.una > s.nxt || s.nxt > s.max || s.max > s.end():
		return fmt.Errorf("send space: una %d, nxt %d, max %d, end %d", s.una, s.nxt, s.max, s.end())
	case s.buf.Start() != start:
		return fmt.Errorf("send buffer begins at %d, una is %d, end %d", s.buf.Start(), s.una, s.buf.End())
	case c.active != nil && (c.active.urgent.send > s.buf.End() || c.active.subMSS > s.max):
		return fmt.Errorf("send space: urgent %d of %d, sub-MSS segment %d", c.active.urgent.send, s.buf.End(), c.active.subMSS)
	}
	return s.buf.Check()
}

func (c *Conn) checkReceive() error {
	r := &c.rcv
	switch {
	case r.buf.Start() > r.buf.Next() || r.buf.Next() > r.wnd.Edge:
		return fmt.Errorf("receive space: start %d, next %d, edge %d", r.buf.Start(), r.buf.Next(), r.wnd.Edge)
	case r.finDone && (r.buf.Next() != r.finAt || len(r.buf.OutOfOrder()) > 0):
		return fmt.Errorf("FIN taken at %d, next is %d, beyond it %v", r.finAt, r.buf.Next(), r.buf.OutOfOrder())
	case r.discard && r.buf.Readable() > 0:
		return fmt.Errorf("%d bytes kept although the application has closed the receiving direction", r.buf.Readable())
	case c.orphan && c.state == Closed && r.buf.Start() != r.buf.Next():
		return fmt.Errorf("%d bytes kept after the end", r.buf.Readable())
	}
	last := r.buf.Next()
	for _, i := range r.buf.OutOfOrder() {
		if i.Start <= last || i.End <= i.Start || i.End > min(r.wnd.Edge, r.finAt) {
			return fmt.Errorf("out of order %v, next %d, edge %d, FIN %d", r.buf.OutOfOrder(), r.buf.Next(), r.wnd.Edge, r.finAt)
		}
		last = i.End
	}
	return r.buf.Check()
}

func (c *Conn) checkECN() error {
	e, r := &c.ecn, &c.active.recovery
	switch {
	case e.echoCE && !e.MustEcho(), e.cwr && (!e.Agreed() || e.Accurate()), (c.accurate != nil) != e.Accurate():
		return fmt.Errorf("ECN %+v, not agreed on", *e)
	case r.reducing && (r.phase != noRecovery || c.snd.una >= r.marked):
		return fmt.Errorf("the window comes down for a mark, until %d, in phase %d: una %d", r.marked, r.phase, c.snd.una)
	}
	return nil
}

func (c *Conn) checkTimers() error {
	t := &c.active.timer
	over := c.state == Closed || c.state == TimeWait
	switch {
	case over && (*t != noTimers || c.keepAliveTimer != Never):
		return fmt.Errorf("timers run: %v, keep-alive %v", *t, c.keepAliveTimer)
	case over:
	case c.snd.una < c.snd.max && (t.retransmit == Never || t.giveUp == Never):
		return fmt.Errorf("bytes %d to %d are unacknowledged and no timer runs: %v", c.snd.una, c.snd.max, *t)
	case c.ack.bytes > 0 && !c.ack.due && t.ack == Never:
		return fmt.Errorf("%d bytes will not be acknowledged", c.ack.bytes)
	case c.orphan && c.state == FinWait2 && t.orphan == Never:
		return fmt.Errorf("in FIN-WAIT-2 after Close without a timer")
	case c.keepAlive.Enable && c.state.synchronized() && c.keepAliveTimer == Never:
		return fmt.Errorf("keep-alive is on and its timer does not run")
	}
	return nil
}
