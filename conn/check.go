package conn

import (
	"fmt"

	"minitcp/conn/seq"
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
	start := min(max(s.una, 1), s.buf.end)
	if c.state == Closed || c.state == TimeWait {
		start = s.buf.end // nothing is kept
	}
	switch {
	case s.una > s.nxt || s.nxt > s.max || s.max > s.end():
		return fmt.Errorf("send space: una %d, nxt %d, max %d, end %d", s.una, s.nxt, s.max, s.end())
	case s.buf.start != start:
		return fmt.Errorf("send buffer begins at %d, una is %d, end %d", s.buf.start, s.una, s.buf.end)
	case s.urgent > s.buf.end || s.small > s.max:
		return fmt.Errorf("send space: urgent %d of %d, small %d of %d", s.urgent, s.buf.end, s.small, s.max)
	}
	if err := c.sent.check(); err != nil {
		return err
	}
	return s.buf.check()
}

func (c *Conn) checkReceive() error {
	r := &c.rcv
	switch {
	case r.buf.start > r.buf.next || r.buf.next > r.edge:
		return fmt.Errorf("receive space: start %d, next %d, edge %d", r.buf.start, r.buf.next, r.edge)
	case r.finDone && (r.buf.next != r.finAt || len(r.buf.ahead()) > 0):
		return fmt.Errorf("FIN taken at %d, next is %d, beyond it %v", r.finAt, r.buf.next, r.buf.ahead())
	case r.discard && r.buf.readable() > 0:
		return fmt.Errorf("%d octets kept for nobody", r.buf.readable())
	case c.orphan && c.state == Closed && r.buf.start != r.buf.next:
		return fmt.Errorf("%d octets kept after the end", r.buf.readable())
	case len(r.buf.ahead()) > maxRanges:
		return fmt.Errorf("%d ranges out of order", len(r.buf.ahead()))
	}
	last := r.buf.next
	for _, i := range r.buf.ahead() {
		if i.start <= last || i.end <= i.start || i.end > min(r.edge, r.finAt) {
			return fmt.Errorf("out of order %v, next %d, edge %d, FIN %d", r.buf.ahead(), r.buf.next, r.edge, r.finAt)
		}
		last = i.end
	}
	return r.buf.check()
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

// check is whether all of the intervals have their pages, and no page lies wholly before from.
func (s *span) check(from seq.Offset, in ...interval) error {
	for _, i := range in {
		if i.size() == 0 {
			continue
		}
		for n := int64(i.start) >> pageShift; n <= int64(i.end-1)>>pageShift; n++ {
			if n < s.first || n >= s.next || s.ring[n&int64(len(s.ring)-1)] == nil {
				return fmt.Errorf("page %d is missing of %v", n, in)
			}
		}
	}
	held := 0
	for _, p := range s.ring {
		if p != nil {
			held++
		}
	}
	for n := s.first; n < s.next; n++ {
		page := s.ring[n&int64(len(s.ring)-1)]
		if page == nil {
			continue
		}
		held--
		low := n &^ int64(page.Size()>>pageShift-1)
		if high := low + int64(page.Size()>>pageShift); low < s.first || high > s.next || seq.Offset(high<<pageShift) <= from {
			return fmt.Errorf("page %d to %d is held, from %d to %d, none before %d is needed", low, high, s.first, s.next, from)
		}
	}
	if held != 0 {
		return fmt.Errorf("%d slots outside of the span have pages", held)
	}
	return nil
}

func (b *sendBuffer) check() error {
	if b.size() == 0 {
		return b.span.check(never)
	}
	return b.span.check(b.start, interval{b.start, b.end})
}

// check is whether what is adopted is in order and unread, and the rest in pages.
func (b *receiveBuffer) check() error {
	if b.start == b.next && len(b.ahead()) == 0 {
		if b.adopted.first() != nil {
			return fmt.Errorf("a loan is kept for nothing")
		}
		return b.span.check(never)
	}
	if err := b.checkEarly(); err != nil {
		return err
	}
	at := b.start
	var copied []interval
	for _, r := range b.ahead() {
		if r.size() >= leastInPages {
			copied = append(copied, r)
		}
	}
	for _, s := range b.adopted.unread() {
		if len(s.data) == 0 || s.end() <= at || s.start < at && at != b.start || s.end() > b.next {
			return fmt.Errorf("adopted [%d, %d), from %d on to %d", s.start, s.end(), at, b.next)
		}
		copied = append(copied, interval{at, max(at, s.start)})
		at = s.end()
	}
	return b.span.check(b.start, append(copied, interval{at, b.next})...)
}

// checkEarly compares the early data's pieces and counts with its ranges.
func (b *receiveBuffer) checkEarly() error {
	if b.early == nil {
		return nil
	}
	pieces, bytes := b.early.pieces, 0
	for _, r := range b.ahead() {
		if r.size() >= leastInPages {
			continue
		}
		if len(pieces) == 0 || pieces[0].start != r.start || len(pieces[0].data) != int(r.size()) {
			return fmt.Errorf("early data %v has no piece of its size", r)
		}
		bytes += len(pieces[0].data)
		pieces = pieces[1:]
	}
	slots := 0
	if len(b.ahead()) > 0 {
		slots = b.span.count(int64(b.next)>>pageShift, b.span.next)
	}
	if e := b.early; len(pieces) > 0 || bytes != e.bytes || slots != e.slots {
		return fmt.Errorf("early data: %d pieces too many; %d bytes of %d, %d slots of %d", len(pieces), e.bytes, bytes, e.slots, slots)
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
