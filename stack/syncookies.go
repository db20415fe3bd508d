package stack

import (
	"math"
	"runtime"

	"minitcp/conn"
	"minitcp/conn/cookie"
	"minitcp/conn/names"
	"minitcp/conn/wire"
	"minitcp/stack/internal/cookies"
	"minitcp/stack/internal/counters"
	"minitcp/stack/internal/flow"
)

// SYNCookies selects when listeners reply to SYNs with SYN cookies, for which they keep no state before the final ACK
// of the handshake [RFC 4987 3.6].
//
// A connection that begins with a cookie differs from others in three ways. Its MSS is 536, 1220, 1300, 1360, 1400,
// 1440, 1460 or 8940, the largest that the peer permits. Without timestamps, it has no ECN, and the peer's window scale
// is rounded down to 0, 2, 4, 6, 7, 8 or 10. Its first round-trip time is that of its first data.
type SYNCookies uint8

const (
	// SYNCookiesAuto sends cookies while a listener has as many handshakes in progress as Config.Backlog. It is the
	// default.
	SYNCookiesAuto SYNCookies = iota
	// SYNCookiesAlways sends cookies in reply to all SYNs.
	SYNCookiesAlways
	// SYNCookiesOff sends none. With too many handshakes, a listener drops the oldest.
	SYNCookiesOff
)

var synCookiesNames = [...]string{SYNCookiesAuto: "auto", SYNCookiesAlways: "always", SYNCookiesOff: "off"}

// String returns "auto", "always" or "off".
func (m SYNCookies) String() string { return names.Of(synCookiesNames[:], m) }

// MarshalText implements encoding.TextMarshaler with the names of String.
func (m SYNCookies) MarshalText() ([]byte, error) { return []byte(m.String()), nil }

// UnmarshalText implements encoding.TextUnmarshaler with the names of String.
func (m *SYNCookies) UnmarshalText(text []byte) error {
	return names.Parse(synCookiesNames[:], text, "mode of SYN cookies", m)
}

// keeps reports whether the listener keeps the handshake of a SYN now, and reserves its place. Otherwise the reply to
// the SYN is a cookie. A client may have got the SYN-ACK of a kept handshake, so that none may give way to a newer one
// while there are cookies.
func (l *Listener) keeps() bool {
	switch l.stack.cfg.SYNCookies {
	case SYNCookiesAlways:
		return false
	case SYNCookiesOff:
		return l.handshakes.Reserve(math.MaxInt32)
	}
	return l.handshakes.Reserve(l.backlog)
}

// cookieEnds returns the ends of the handshake of k, whose SYN has the number irs.
func cookieEnds(k *flow.Key, irs uint32) cookie.Ends {
	return cookie.Ends{Local: k.LocalAddr(), Remote: k.RemoteAddr(), IRS: irs}
}

// cookieReply is a SYN-ACK with a cookie.
type cookieReply struct {
	ip  wire.IP
	tcp wire.TCP
}

// sendCookie replies to a SYN with a cookie, which leaves at the end of the batch. The connection has an MSS of at most
// mss bytes, unless that is 0. Cookies are accepted from now on.
func (q *queue) sendCookie(now conn.Time, k *flow.Key, mss int, accepted *cookies.Acceptance) {
	s, w, h := q.stack, q.writer, &q.segment.TCP
	if s.link != nil && s.link.device.Room() == 0 {
		q.dropNoConnection(now, conn.Listen, counters.SYNQueueFull) // nothing keeps the SYN-ACK until there is room
		return
	}
	ends := cookieEnds(k, h.Seq)
	o := s.openFor(now, k, s.isNear(k.Remote, q.number))
	o.ECN = q.segment.ECN
	limitMSS(&o, mss)
	if !conn.SYNCookie(now, &s.cfg.Conn, o, h, s.cookies.Now(now), &ends, &w.out) {
		q.dropNoConnection(now, conn.Listen, counters.SYNQueueFull) // a small MSS
		return
	}
	q.traceIn(now, nil, conn.Listen, "", false)
	accepted.Sent(now)
	s.totals.Count(counters.CookiesSent)
	r := cookieReply{wire.IP{Src: q.ip.Dst, Dst: q.ip.Src, Protocol: wire.ProtocolTCP, HopLimit: s.cfg.HopLimit}, w.out.TCP}
	r.tcp.SrcPort, r.tcp.DstPort = h.DstPort, h.SrcPort
	q.cookies = append(q.cookies, r)
}

// writeCookies sends the cookies of the batch, after the segments of its connections and after the goroutines that have
// got data from it. Under a flood the cookies take most of the time of a batch: connections would wait for them.
// bench/README.md has the difference.
func (q *queue) writeCookies(now conn.Time) {
	if len(q.cookies) == 0 {
		return
	}
	runtime.Gosched()
	s, w := q.stack, q.writer
	for i := range q.cookies {
		r := &q.cookies[i]
		w.ip, w.out = r.ip, conn.Outgoing{TCP: r.tcp, Data: w.out.Data[:0]}
		s.writeSegment(w, q.number, conn.SynReceived)
		s.traceOut(now, nil, w, conn.SynReceived)
	}
	q.cookies = q.cookies[:0]
}

// openFromCookie opens the connection of an ACK that holds a cookie of the listener's. It returns false if no cookie is
// valid now.
func (q *queue) openFromCookie(now conn.Time, k *flow.Key, l *Listener) bool {
	if !l.cookies.Accepts(now) {
		return false
	}
	s := q.stack
	e := q.entryFromCookie(now, k, int(l.mss.Load()))
	if e == nil {
		return true
	}
	e.listener = l.self
	if !s.table.Insert(&e.Node) {
		return true // another queue has been faster; the peer sends its data again
	}
	q.receive(now, e)
	s.dropHandshake(e) // there was no room for the connection: the cookie stays valid
	return true
}

// mayHoldCookie reports whether the segment at hand, for the handshake of e, may be of a connection by a cookie that
// the listener has sent in reply to an earlier copy of the SYN. The handshake would reset that connection.
func (q *queue) mayHoldCookie(now conn.Time, e *entry, handshake *conn.Handshake) bool {
	h := &q.segment.TCP
	if h.Flags&(wire.SYN|wire.RST|wire.ACK) != wire.ACK || h.Ack == handshake.ISS()+1 {
		return false
	}
	l := e.listener.Value()
	return l != nil && l.cookies.Accepts(now)
}

// holdsCookie reports whether the segment at hand has the ACK of a cookie. Others may be later segments of the
// connection, as for entryFromCookie.
func (q *queue) holdsCookie(now conn.Time, e *entry) bool {
	s, ends := q.stack, cookieEnds(&e.Key, q.segment.TCP.Seq-1)
	_, ok := conn.HandshakeFromCookie(now, &s.cfg.Conn, s.openFor(now, &e.Key, false), &q.segment, s.cookies.Now(now), &ends)
	return ok
}

// entryFromCookie returns an entry, which is not in the table, with the handshake that the segment at hand completes if
// it holds a cookie. Otherwise it drops the segment and returns nil.
//
// Such segments may be later ones of a connection whose first segment was lost or overtaken, which a RST would end. The
// price is that a peer whose connection is unknown here learns of that later.
func (q *queue) entryFromCookie(now conn.Time, k *flow.Key, mss int) *entry {
	s := q.stack
	ends := cookieEnds(k, q.segment.TCP.Seq-1)
	o := s.openFor(now, k, s.isNear(k.Remote, q.number))
	limitMSS(&o, mss)
	handshake, ok := conn.HandshakeFromCookie(now, &s.cfg.Conn, o, &q.segment, s.cookies.Now(now), &ends)
	if !ok {
		q.dropNoConnection(now, conn.Listen, counters.CookiesFailed)
		return nil
	}
	s.totals.Count(counters.CookiesReceived)
	e := s.newEntry(now, *k, q.number)
	e.iss, e.irs, e.irsKnown = handshake.ISS(), ends.IRS, true
	e.tcp = handshake
	return e
}
