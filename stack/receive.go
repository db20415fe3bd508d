package stack

import (
	"weak"

	"minitcp/conn"
	"minitcp/conn/wire"
	"minitcp/stack/internal/counters"
	"minitcp/stack/internal/flow"
	"minitcp/stack/internal/memory"
)

// inputTCP handles the payload of an IP packet of protocol TCP.
func (q *queue) inputTCP(now conn.Time, payload []byte) {
	s := q.stack
	data, err := wire.ParseTCP(payload, &q.segment.TCP)
	if err == wire.ErrTruncated {
		q.damaged(err)
		return
	}
	h := &q.segment.TCP
	k := flow.KeyOf(q.ip.Dst, q.ip.Src, h.DstPort, h.SrcPort)
	e := s.table.Find(&k)
	if e == nil && !q.acceptableForTCP() {
		return // an entry's addresses were looked at when it was made
	}
	q.segment.Data, q.segment.SegmentSize, q.segment.ECN = data, 0, q.ip.ECN()
	if len(data) < memory.LeastLoan {
		q.segment.Buffer = nil
	}
	if !q.checksumTrusted() && !wire.VerifyTCP(&q.ip, payload) {
		q.damagedSegment(now, e, wire.ErrTCPChecksum)
		return
	}
	if err != nil {
		q.damagedSegment(now, e, err)
		return
	}
	switch q.virtio.GSOType &^ wire.GSOECN {
	case wire.GSOTCPv4, wire.GSOTCPv6:
		q.segment.SegmentSize = int(q.virtio.GSOSize)
	}
	s.totals.Add(counters.SegmentsReceived, wire.Segments(len(data), q.segment.SegmentSize))
	s.totals.Add(counters.BytesReceived, len(data))
	for e != nil {
		if q.receive(now, e) {
			return
		}
		e = s.table.Find(&k) // it ended between the look-up and the lock
	}
	q.receiveNoConnection(now, k, nil)
}

// acceptableForTCP acts like acceptableAddresses, and also drops segments of the land attack, whose source is their
// destination.
func (q *queue) acceptableForTCP() bool {
	h := &q.segment.TCP
	if q.ip.Src == q.ip.Dst && h.SrcPort == h.DstPort {
		q.stack.totals.Count(counters.DropLand)
		return false
	}
	return q.acceptableAddresses(q.stack.forwarder.Load().takes(q.ip.Dst))
}

// damagedSegment drops a segment with a bad checksum or a malformed header. E is the connection of its ports, nil if
// there is none.
func (q *queue) damagedSegment(now conn.Time, e *entry, err error) {
	s := q.stack
	q.damaged(err)
	var before conn.State
	if e != nil {
		var c *Conn
		defer func() { c.serve() }() // after the lock has been released
		e.mu.Lock()
		defer e.mu.Unlock()
		before = e.state()
		q.tap(now, e)
		if tcp, ok := e.tcp.(*conn.Conn); ok && err != wire.ErrTCPChecksum && s.cfg.ResetOnBadHeader {
			tcp.Abort()
			c = e.served
			defer s.flush(e, q.writer)
		}
	}
	if s.observers.segment.Any() {
		q.traceIn(now, e, before, "damaged: "+err.(wire.Error).Name(), true)
	}
}

// receive passes the segment to e's connection. It returns false if e has been removed.
func (q *queue) receive(now conn.Time, e *entry) bool {
	s := q.stack
	e.lockInput()
	q.tap(now, e)
	e.queue = q.number
	before := e.state()
	var verdict conn.Verdict
	flushNow := true
	switch tcp := e.tcp.(type) {
	case nil:
		e.mu.Unlock()
		return false
	case *conn.Handshake:
		verdict = q.receiveHandshake(now, e, tcp)
		if verdict == conn.VerdictReopen {
			s.totals.Verdict(verdict)
			s.remove(e)
			e.mu.Unlock()
			q.receiveNoConnection(now, e.Key, nil)
			return true
		}
		if e.request != nil && verdict == conn.VerdictDuplicate {
			e.request.repeated(now, q.writer)
		}
	case *conn.Conn:
		verdict = tcp.Receive(now, &q.segment)
		// A connection that ends is flushed before the next segment of the batch, which may be the SYN of a new one.
		state := tcp.State()
		flushNow = state == conn.Closed || state == conn.TimeWait
	case *conn.TimeWaitConn:
		verdict = tcp.Receive(now, &q.segment)
		if verdict == conn.VerdictReopen && !q.takesSYN() {
			tcp.Refuse(now)
			verdict = conn.VerdictChallenged
		}
		if verdict == conn.VerdictReopen {
			s.totals.Verdict(verdict)
			s.totals.Count(counters.Reopened)
			s.remove(e)
			e.mu.Unlock()
			q.receiveNoConnection(now, e.Key, tcp)
			return true
		}
	}
	s.totals.Verdict(verdict)
	if before < conn.Established {
		if e.state() >= conn.Established {
			s.untrackOpening(e)
		}
		s.observeOpen(now, e)
		if e.unconfirmed && e.state() != conn.SynReceived {
			s.leaveFastOpen(now, e, verdict)
		}
	}
	if s.observers.segment.Any() {
		q.traceVerdict(now, e, before, verdict)
	}
	c := e.served // before flush, which may clear it
	if flushNow {
		s.flush(e, q.writer)
	} else {
		q.deferFlush(e)
	}
	e.mu.Unlock()
	if flushNow {
		c.serve()
	}
	return true
}

// takesSYN reports whether the segment at hand, a SYN, would open a connection.
func (q *queue) takesSYN() bool {
	return q.listener() != nil || q.stack.forwarder.Load().takes(q.ip.Dst)
}

// traceVerdict reports the segment at hand, with the verdict on it.
func (q *queue) traceVerdict(now conn.Time, e *entry, before conn.State, v conn.Verdict) {
	switch v {
	case conn.VerdictAccepted:
		q.traceIn(now, e, before, "", false)
	case conn.VerdictOutOfOrder, conn.VerdictReset:
		q.traceIn(now, e, before, v.String(), false)
	default:
		q.traceIn(now, e, before, v.String(), true)
	}
}

// receiveHandshake passes the segment to a handshake, and makes it a connection when it is complete.
func (q *queue) receiveHandshake(now conn.Time, e *entry, handshake *conn.Handshake) conn.Verdict {
	if q.mayHoldCookie(now, e, handshake) {
		if q.holdsCookie(now, e) {
			return conn.VerdictReopen
		}
		q.stack.totals.Count(counters.CookiesFailed)
		return conn.VerdictBadACK
	}
	verdict := handshake.Receive(now, &q.segment)
	if handshake.State() != conn.Established {
		return verdict
	}
	if q.stack.spent() {
		q.stack.totals.Count(counters.NoMemory)
		return conn.VerdictIgnored
	}
	if e.request != nil { // AcceptFirst
		if !q.stack.enterQuota(e) {
			q.stack.totals.Count(counters.QuotaFull)
			return conn.VerdictIgnored
		}
		tcp := handshake.Establish(now)
		e.tcp = tcp
		q.stack.charge(e, connectionMemory)
		return tcp.Receive(now, &q.segment)
	}
	tcp := q.admit(e, e.listener.Value(), func() *conn.Conn {
		tcp := handshake.Establish(now)
		tcp.LowerMTU(now, int(q.stack.mtu.Load()))
		return tcp
	})
	if tcp == nil {
		return conn.VerdictIgnored // the SYN-ACK will be sent again, and its ACK may find room in the queue
	}
	e.listener = weak.Pointer[Listener]{}
	return tcp.Receive(now, &q.segment)
}

// admit puts the connection that establish makes of e's handshake into the queue for Accept. It returns nil if the
// queue is full, there are as many connections as permitted, or the listener is closed or gone.
func (q *queue) admit(e *entry, l *Listener, establish func() *conn.Conn) *conn.Conn {
	s := q.stack
	if !s.enterQuota(e) {
		s.totals.Count(counters.QuotaFull)
		return nil
	}
	var tcp *conn.Conn
	admitted := l != nil && l.admit(e, func(control conn.CongestionControl) *Conn {
		tcp = establish()
		tcp.SetCongestionControl(control)
		c := newConn(s, e, tcp)
		e.user = c.user
		return c
	})
	if !admitted {
		s.leaveQuota(e)
		s.totals.Count(counters.AcceptQueueFull)
		return nil
	}
	e.tcp = tcp
	l.handshakes.Remove(int(e.wheel), e)
	s.charge(e, connectionMemory)
	s.trackLive(e)
	s.totals.Count(counters.Accepted)
	return tcp
}
