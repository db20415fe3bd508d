package stack

import (
	"net/netip"
	"time"

	"minitcp/conn"
	"minitcp/conn/seq"
	"minitcp/conn/wire"
	"minitcp/stack/internal/counters"
	"minitcp/stack/internal/flow"
	"minitcp/stack/internal/frame"
)

// receiveNoConnection handles a segment that belongs to no connection: SEGMENT ARRIVES in CLOSED and in LISTEN. Old is
// the TIME-WAIT of an earlier incarnation, if the segment has ended it [RFC 9293 3.10.7.1, 3.10.7.2].
func (q *queue) receiveNoConnection(now conn.Time, k flow.Key, old *conn.TimeWaitConn) {
	q.tap(now, nil)
	h := &q.segment.TCP
	l := q.listener()
	var f *Forwarder
	if l == nil {
		if f = q.stack.forwarder.Load(); !f.takes(q.ip.Dst) {
			q.refuse(now, conn.Closed)
			return
		}
	}
	switch conn.ReceiveListen(h.Flags) {
	case conn.ListenOpen:
		if f != nil {
			q.forward(now, k, f, old)
			return
		}
		q.open(now, k, l, old)
	case conn.ListenReset:
		if f != nil && q.forwardFromCookie(now, &k, f) || l != nil && q.openFromCookie(now, &k, l) {
			return
		}
		q.refuse(now, conn.Listen)
	case conn.ListenDropReset:
		q.dropNoConnection(now, conn.Listen, counters.DropStrayReset)
	case conn.ListenDropSYNFIN:
		q.dropNoConnection(now, conn.Listen, counters.DropSYNFIN)
	case conn.ListenDrop:
		q.dropNoConnection(now, conn.Listen, counters.DropNoFlags)
	}
}

// listener returns the listener for the segment at hand, nil if there is none. Listeners are at the stack's own
// addresses, also those at all addresses.
func (q *queue) listener() *Listener {
	if !q.stack.own().Contains(q.ip.Dst) {
		return nil
	}
	return q.stack.listeners.Find(netip.AddrPortFrom(q.ip.Dst, q.segment.TCP.DstPort), netip.AddrPort{})
}

// dropNoConnection drops the segment.
func (q *queue) dropNoConnection(now conn.Time, state conn.State, why counters.Counter) {
	q.stack.totals.Count(why)
	q.traceIn(now, nil, state, why.String(), true)
}

// refuse answers the segment with a RST, unless it is a RST itself.
func (q *queue) refuse(now conn.Time, state conn.State) {
	s, w := q.stack, q.writer
	if !conn.Reset(&q.segment.TCP, len(q.segment.Data), &w.out) {
		q.dropNoConnection(now, state, counters.DropStrayReset)
		return
	}
	q.traceIn(now, nil, state, "no connection", true)
	if !s.resetLimit.Allow(now, q.ip.Src) {
		s.totals.Count(counters.ResetsLimited)
		return
	}
	w.ip = wire.IP{Src: q.ip.Dst, Dst: q.ip.Src, Protocol: wire.ProtocolTCP, HopLimit: s.cfg.HopLimit}
	w.out.TCP.SrcPort, w.out.TCP.DstPort = q.segment.TCP.DstPort, q.segment.TCP.SrcPort
	s.writeSegment(w, q.number, conn.Closed)
	s.traceOut(now, nil, w, state)
}

// open replies to a SYN to a listener, with a handshake or a cookie. It drops the SYN while the budget of memory is
// spent, there are as many connections as permitted, or the queue for Accept is full.
func (q *queue) open(now conn.Time, k flow.Key, l *Listener, old *conn.TimeWaitConn) {
	s := q.stack
	switch {
	case s.spent():
		q.dropNoConnection(now, conn.Listen, counters.NoMemory)
		return
	case s.quota.Full(q.ip.Src):
		q.dropNoConnection(now, conn.Listen, counters.QuotaFull)
		return
	case l.full():
		q.dropNoConnection(now, conn.Listen, counters.AcceptQueueFull)
		return
	case !l.keeps():
		q.sendCookie(now, &k, int(l.mss.Load()), &l.cookies)
		return
	}
	e, h := q.newHandshake(now, k, int(l.mss.Load()), old)
	e.mu.Lock()
	if !s.table.Insert(&e.Node) {
		e.mu.Unlock()
		l.handshakes.Cancel()
		return // an application has dialed from this very port meanwhile; the SYN will come again
	}
	s.charge(e, handshakeMemory)
	e.listener = l.self
	// Without the stack's address, RemoveAddress may have looked through the table already.
	if !s.own().Contains(q.ip.Dst) || !l.handshakes.Add(int(e.wheel), e) {
		s.remove(e) // the listener was closed meanwhile, or the address was removed
		e.mu.Unlock()
		q.refuse(now, conn.Closed)
		return
	}
	q.takeFastOpen(now, e, l, h)
	q.traceIn(now, e, conn.Listen, "", false)
	c := e.served
	s.flush(e, q.writer)
	e.mu.Unlock()
	c.serve()

	if oldest := l.handshakes.Excess(int(e.wheel), e, l.backlog); oldest != nil {
		s.totals.Count(counters.SYNQueueFull)
		s.dropHandshake(oldest)
	}
}

// newHandshake returns the handshake for a SYN, in an entry that is not in the table yet. The connection has an MSS of
// at most mss bytes, unless that is 0. Old is the TIME-WAIT of an earlier incarnation, if the SYN has ended it.
func (q *queue) newHandshake(now conn.Time, k flow.Key, mss int, old *conn.TimeWaitConn) (*entry, *conn.Handshake) {
	s := q.stack
	e := s.newEntry(now, k, q.number)
	o := s.openFor(now, &k, e.near)
	o.ECN = q.segment.ECN
	limitMSS(&o, mss)
	if old != nil {
		o.ISS = old.ISN(o.ISS)
	}
	e.iss, e.irs, e.irsKnown = o.ISS, q.segment.TCP.Seq, true
	h := conn.NewHandshake(now, &s.cfg.Conn, o, &q.segment.TCP)
	e.tcp = h
	return e, h
}

// dropHandshake removes e unless its handshake has completed meanwhile.
func (s *Stack) dropHandshake(e *entry) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if _, ok := e.tcp.(*conn.Handshake); ok {
		s.remove(e)
	}
}

// openFor returns the parameters of package conn for a new connection.
func (s *Stack) openFor(now conn.Time, k *flow.Key, near bool) conn.Open {
	o := conn.Open{MTU: int(s.mtu.Load()), IPHeader: frame.IPHeaderLen(k.Remote.Is4()), Near: near, Path: s.paths.Get(now, k.Remote)}
	limitMSS(&o, s.cfg.MSS)
	// The stack's clock starts at 0. With the wall clock of that moment added, the numbers of a stack with the Secret of
	// an earlier one continue the earlier ones.
	began := conn.Time(s.clock.Epoch().UnixNano())
	o.ISS, o.TSOffset = seq.ISN(now+began, &s.cfg.Secret, k.LocalAddr(), k.RemoteAddr())
	o.TSOffset += uint32(began / conn.Time(time.Millisecond))
	return o
}
