package conntest

import (
	"net/netip"
	"slices"

	"minitcp/conn"
	"minitcp/conn/accecn"
	"minitcp/conn/cookie"
	"minitcp/conn/wire"
)

// cookieListener is the state of an end that replies to every SYN with a SYN cookie.
type cookieListener struct {
	secret [32]byte
	sent   []Monitor // one for each SYN-ACK, which have seen the SYN and the SYN-ACK
}

// addresses of the ends. Only cookies contain them.
var (
	cookieLocal  = netip.MustParseAddrPort("192.0.2.1:80")
	cookieRemote = netip.MustParseAddrPort("192.0.2.2:4000")
)

// keepsEvery is the number of SYNs of which a listener with cookies keeps the handshake of one, as after a flood.
const keepsEvery = 3

// takesCookie reports whether a segment may have the ACK of a cookie: e has no connection, and no handshake that the
// segment completes.
func (e *End) takesCookie(h *wire.TCP) bool {
	if e.cookies == nil || e.over || e.Conn != nil || h.Flags&(wire.SYN|wire.RST) != 0 {
		return false
	}
	return e.Handshake == nil || len(e.cookies.sent) > 0 && h.Flags.Has(wire.ACK) && h.Ack != e.Handshake.ISS()+1
}

// ListenWithCookies makes e keep few handshakes: it replies to most SYNs with SYN cookies.
func (e *End) ListenWithCookies() {
	e.cookies = &cookieListener{secret: [32]byte{1}}
}

func (l *cookieListener) keys(now conn.Time) *cookie.Keys { return cookie.NewKeys(&l.secret, now) }

func cookieEnds(irs uint32) *cookie.Ends {
	return &cookie.Ends{Local: cookieLocal, Remote: cookieRemote, IRS: irs}
}

// sendCookie replies to a SYN, unless a cookie cannot hold its options.
func (p *Pair) sendCookie(e *End, s *conn.Segment) bool {
	l := e.cookies
	var out conn.Outgoing
	open := e.Open
	open.ECN = s.ECN
	if !conn.SYNCookie(p.Now, &e.Config, open, &s.TCP, l.keys(p.Now), cookieEnds(s.TCP.Seq), &out) {
		return false
	}
	m := Monitor{MTU: e.Open.MTU, IPHeader: e.Open.IPHeader}
	m.Received(s)
	p.check(m.Sent(1, s.TCP.Seq, &out), e)
	m.Drained()
	l.sent = append(l.sent, m)
	p.send(e, &out)
	return true
}

// openFromCookie makes the Handshake of an ACK with a valid cookie, and reports whether it did.
func (p *Pair) openFromCookie(e *End, s *conn.Segment) bool {
	l := e.cookies
	h, ok := conn.HandshakeFromCookie(p.Now, &e.Config, e.Open, s, l.keys(p.Now), cookieEnds(s.TCP.Seq-1))
	if ok {
		e.Handshake = h
		e.Monitor = l.sent[slices.IndexFunc(l.sent, func(m Monitor) bool { return m.ISS() == h.ISS() })]
		if !s.TCP.Options.HasTimestamps {
			e.Monitor.timestamps[1] = false // those of the SYN are gone with this segment's
		}
		if accecn.Field(s.TCP.Flags) < 2 {
			e.Monitor.ecn.peerAccurate = false // the listener remembers AccECN by this field
		}
	}
	return ok
}
