package stack

import (
	"context"
	"net"
	"net/netip"
	"sync"
	"weak"

	"minitcp/conn"
	"minitcp/conn/fastopen"
	"minitcp/conn/wire"
	"minitcp/stack/internal/counters"
	"minitcp/stack/internal/hostport"
	"minitcp/stack/internal/openers"
)

// SetFastOpen makes the listener accept data in SYNs (TCP Fast Open, RFC 7413), as Linux's TCP_FASTOPEN does. A client
// gets a cookie with its first connection. The SYN of a later one carries the cookie and data, and the connection is
// accepted before its handshake has completed: Read returns the data, and the response leaves with the SYN-ACK.
//
// Pending is the largest number of connections that wait for the last segment of the handshake. When there are more, or
// while the listener replies with SYN cookies, data in SYNs is ignored and the client sends it again. 0 turns Fast Open
// off; that is the default.
//
// An application that turns it on must tolerate duplicate requests. If the network duplicates a SYN, and the copy
// arrives after the connection has ended, the copy opens a second connection with the same data [RFC 7413 6.1].
func (l *Listener) SetFastOpen(pending int) error {
	return l.set(func() { l.fastOpen.Store(int32(min(max(pending, 0), 1<<20))) })
}

// takeFastOpen processes the Fast Open option of a SYN to l, whose entry e is locked. If the cookie is valid, it makes
// the handshake a connection that is accepted, and returns true. Otherwise the SYN-ACK offers a cookie.
func (q *queue) takeFastOpen(now conn.Time, e *entry, l *Listener, h *conn.Handshake) bool {
	limit := int(l.fastOpen.Load())
	option := &q.segment.TCP.Options.FastOpen
	if option.Kind == wire.FastOpenNone || limit == 0 {
		return false
	}
	s := q.stack
	keys := s.fastOpen.Now(now)
	fresh := keys.Cookie(option.Kind, q.ip.Dst, q.ip.Src)
	match := keys.Match(option, q.ip.Dst, q.ip.Src)
	switch {
	case option.Requests():
		s.totals.Count(counters.FastOpenRequests)
	case match == fastopen.NoKey:
		s.totals.Count(counters.FastOpenPassiveFailed)
	}
	if match == fastopen.NoKey {
		h.OfferCookie(fresh)
		return false
	}
	if !l.enterFastOpen(now, limit) {
		s.totals.Count(counters.FastOpenOverflow)
		return false
	}
	if match == fastopen.PrimaryKey {
		fresh = wire.FastOpen{}
	}
	if q.admit(e, l, func() *conn.Conn { return h.FastOpen(now, &q.segment, fresh) }) == nil {
		s.totals.Count(counters.FastOpenPassiveFailed)
		l.leaveFastOpen(now, conn.VerdictIgnored)
		return false
	}
	e.unconfirmed = true
	s.totals.Count(counters.FastOpenPassive)
	if match == fastopen.BackupKey {
		s.totals.Count(counters.FastOpenBackupKey)
	}
	return true
}

// enterFastOpen counts a connection that is not confirmed. It returns false if there are as many as permitted.
func (l *Listener) enterFastOpen(now conn.Time, limit int) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.closed == nil && l.pending.Enter(now, limit)
}

// leaveFastOpen ends e's place among the connections that are not confirmed, if it has one: the connection is
// established or has ended. v is the verdict on the segment that is the cause.
func (s *Stack) leaveFastOpen(now conn.Time, e *entry, v conn.Verdict) {
	if !e.unconfirmed {
		return
	}
	e.unconfirmed = false
	if l := e.listener.Value(); l != nil {
		l.leaveFastOpen(now, v)
	}
	e.listener = weak.Pointer[Listener]{}
}

// leaveFastOpen undoes enterFastOpen. After a RST the place is free later.
func (l *Listener) leaveFastOpen(now conn.Time, v conn.Verdict) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if v == conn.VerdictReset {
		l.pending.Reset(now)
	} else {
		l.pending.Leave()
	}
}

// openCache is the knowledge of active opens with Fast Open.
type openCache struct {
	mu     sync.Mutex
	client openers.Client
}

// DialFastOpen acts like DialContext for a client that sends first, with TCP Fast Open [RFC 7413]. If the stack has a
// cookie of the server, DialFastOpen returns at once, and the first Write sends the SYN with data; errors of the
// attempt to connect are errors of Write and Read then. The SYN waits for the Write for at most 50 ms; an empty Write
// sends it without data. Without a cookie, DialFastOpen connects as DialContext does, and asks the server for one.
//
// The stack remembers the cookies of 1024 servers. It does not use Fast Open with a server for some minutes after the
// server has not accepted data in a SYN, and with no server for an hour after a path has lost the segments that follow
// such a SYN. The times double with each failure. Data that was not accepted is sent again after the handshake.
//
// Since the network may duplicate the SYN, the server may process its data twice. Use it for requests that permit that.
func (s *Stack) DialFastOpen(ctx context.Context, network, address string) (net.Conn, error) {
	if hostport.IsUDP(network) {
		return nil, dialError(network, netip.AddrPort{}, netip.AddrPort{}, net.UnknownNetworkError(network))
	}
	return s.dialAddress(ctx, network, address, (*Stack).connectFastOpen)
}

// connectFastOpen returns the connection of an active OPEN with Fast Open.
func (s *Stack) connectFastOpen(now conn.Time, e *entry, o conn.Open) *conn.Conn {
	s.openers.mu.Lock()
	offer := s.openers.client.Begin(now, destinationOf(e))
	s.openers.mu.Unlock()
	return conn.DialFastOpen(now, &s.cfg.Conn, o, offer)
}

func destinationOf(e *entry) openers.Destination {
	return openers.Destination{Client: e.Key.LocalAddr().Addr(), Server: e.Key.RemoteAddr()}
}

// noteFastOpen counts the results of e's active OPEN with Fast Open, and remembers them.
func (s *Stack) noteFastOpen(now conn.Time, e *entry, tcp *conn.Conn) {
	r := tcp.ReportFastOpen()
	s.openers.mu.Lock()
	s.openers.client.Take(now, destinationOf(e), &r)
	s.openers.mu.Unlock()
	if r.Accepted {
		s.totals.Count(counters.FastOpenActive)
	}
	if r.Refused {
		s.totals.Count(counters.FastOpenActiveFailed)
	}
	if r.BlackHole {
		s.totals.Count(counters.FastOpenBlackHoles)
	}
}
