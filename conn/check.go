package conn

import (
	"fmt"
)

// Check returns an error if the connection is in a condition it must never be in, whatever its peer and its application
// do: between any two calls it must return nil. It is for tests, and changes nothing.
func (c *Conn) Check() error {
	if err := c.checkSleep(); err != nil {
		return fmt.Errorf("%v: %w", c.state, err)
	}
	c = c.woken()
	for _, check := range []func() error{c.checkState, c.checkSend, c.checkReceive, c.checkECN, c.checkTimers} {
		if err := check(); err != nil {
			return fmt.Errorf("%v: %w", c.state, err)
		}
	}
	return nil
}

// checkState holds the state against the two FINs (RFC 9293 figure 5).
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
	switch {
	case !ok:
		return fmt.Errorf("our FIN queued %v, acknowledged %v, the peer's taken %v", ours, acked, theirs)
	case c.state.synchronized() && c.cc == nil:
		return fmt.Errorf("no congestion control")
	case c.cc != nil && c.cc.Window() < 1:
		return fmt.Errorf("congestion window %d", c.cc.Window())
	}
	return nil
}

// checkSleep: who sleeps is found, when woken, to have nothing to do.
func (c *Conn) checkSleep() error {
	switch {
	case (c.awake == nil) != (c.dormant != nil):
		return fmt.Errorf("awake %v, dormant %v", c.awake, c.dormant)
	case c.awake == nil && !c.woken().quiescent():
		return fmt.Errorf("sleeps, and there is something to do: %+v", c.dormant)
	case c.awake == nil && c.dormant.keepAlive != c.woken().timer.earliest():
		return fmt.Errorf("sleeps until %v, timers %v", c.dormant.keepAlive, c.woken().timer)
	}
	return nil
}

func (c *Conn) checkSend() error {
	s := &c.snd
	start := min(max(s.una, 1), s.buf.End())
	if c.state == Closed || c.state == TimeWait {
		start = s.buf.End() // nothing is kept
	}
	switch {
	case s.una > s.nxt || s.nxt > s.max || s.max > s.end():
		return fmt.Errorf("send space: una %d, nxt %d, max %d, end %d", s.una, s.nxt, s.max, s.end())
	case s.buf.Start() != start:
		return fmt.Errorf("send buffer begins at %d, una is %d, end %d", s.buf.Start(), s.una, s.buf.End())
	case s.urgent > s.buf.End() || s.small > s.max:
		return fmt.Errorf("send space: urgent %d of %d, small %d of %d", s.urgent, s.buf.End(), s.small, s.max)
	}
	if err := c.sent.check(); err != nil {
		return err
	}
	return s.buf.Check()
}

func (c *Conn) checkReceive() error {
	r := &c.rcv
	switch {
	case r.buf.Start() > r.buf.Next() || r.buf.Next() > r.edge:
		return fmt.Errorf("receive space: start %d, next %d, edge %d", r.buf.Start(), r.buf.Next(), r.edge)
	case r.finDone && (r.buf.Next() != r.finAt || len(r.buf.OutOfOrder()) > 0):
		return fmt.Errorf("FIN taken at %d, next is %d, beyond it %v", r.finAt, r.buf.Next(), r.buf.OutOfOrder())
	case r.discard && r.buf.Readable() > 0:
		return fmt.Errorf("%d octets kept for nobody", r.buf.Readable())
	case c.orphan && c.state == Closed && r.buf.Start() != r.buf.Next():
		return fmt.Errorf("%d octets kept after the end", r.buf.Readable())
	}
	last := r.buf.Next()
	for _, i := range r.buf.OutOfOrder() {
		if i.Start <= last || i.End <= i.Start || i.End > min(r.edge, r.finAt) {
			return fmt.Errorf("out of order %v, next %d, edge %d, FIN %d", r.buf.OutOfOrder(), r.buf.Next(), r.edge, r.finAt)
		}
		last = i.End
	}
	return r.buf.Check()
}

func (c *Conn) checkECN() error {
	e, r := &c.ecn, &c.recovery
	switch {
	case e.marked && !e.heeds(), e.cwr && !e.agreed():
		return fmt.Errorf("ECN %+v, not agreed on", *e)
	case r.reducing && (r.phase != noRecovery || c.snd.una >= r.marked):
		return fmt.Errorf("the window comes down for a mark, until %d, in phase %d: una %d", r.marked, r.phase, c.snd.una)
	}
	return nil
}

func (c *Conn) checkTimers() error {
	t := &c.timer
	over := c.state == Closed || c.state == TimeWait
	switch {
	case over && *t != noTimers:
		return fmt.Errorf("timers run: %v", *t)
	case over:
	case c.snd.una < c.snd.max && (t.retransmit == Never || t.giveUp == Never):
		return fmt.Errorf("octets %d to %d are unacknowledged and no timer runs: %v", c.snd.una, c.snd.max, *t)
	case c.ack.octets > 0 && !c.ack.due && t.ack == Never:
		return fmt.Errorf("%d octets will not be acknowledged", c.ack.octets)
	case c.orphan && c.state == FinWait2 && t.orphan == Never:
		return fmt.Errorf("waits for ever for a FIN nobody needs")
	case c.keepAlive.Enable && c.state.synchronized() && t.keepAlive == Never:
		return fmt.Errorf("keep-alive is on and its timer does not run")
	}
	return nil
}
