package conntest

import (
	"errors"
	"fmt"
	"time"

	"minitcp/conn"
	"minitcp/conn/fastopen"
	"minitcp/conn/wire"
)

// FastOpen makes the connections of a [Scenario] use TCP Fast Open. The zero value means that they do not.
type FastOpen struct {
	Used  bool
	Wrong bool   // the cookie is not valid
	MSS   uint16 // the MSS that was cached with the cookie
}

// fastOpenEvery is the number of scenarios of which one uses Fast Open.
const fastOpenEvery = 8

// fastOpen draws a FastOpen for a scenario.
func (d *generator) fastOpen(s *Scenario) FastOpen {
	mss := s.MTU - s.Header - 20
	return FastOpen{Used: true, Wrong: d.one(4), MSS: uint16(pick(d, mss, mss, 0, 200+d.IntN(1000)))}
}

// fastOpenKeys are the keys of the ends that listen.
var fastOpenKeys = fastopen.FixedKeys([16]byte{1})

// UseFastOpen makes the pair use Fast Open.
func (p *Pair) UseFastOpen(f FastOpen) {
	offer := fastopen.Offer{Option: fastOpenKeys.Cookie(wire.FastOpenStandard, cookieLocal.Addr(), cookieRemote.Addr()), MSS: f.MSS}
	if f.Wrong {
		offer.Option.Cookie[0]++
	}
	p.A.fastOpen, p.B.fastOpen = &offer, &offer
}

// takeFastOpen processes the option of the SYN that e has made a Handshake of.
func (p *Pair) takeFastOpen(e *End, s *conn.Segment) {
	option := &s.TCP.Options.FastOpen
	if e.fastOpen == nil || option.Kind == wire.FastOpenNone {
		return
	}
	if fastOpenKeys.Match(option, cookieLocal.Addr(), cookieRemote.Addr()) == fastopen.NoKey {
		e.Handshake.OfferCookie(fastOpenKeys.Cookie(option.Kind, cookieLocal.Addr(), cookieRemote.Addr()))
		return
	}
	e.Conn, e.Handshake = e.Handshake.FastOpen(p.Now, s, wire.FastOpen{}), nil
	p.check(e.Conn.Check(), e)
}

// gaveUpAfter is the time for which a server of Fast Open hears nothing from its client before it gives up: the RTO of
// the fifth retransmission of the SYN-ACK, the initial one of 1 s doubled five times.
const gaveUpAfter = 32 * time.Second

// gaveUp reports whether e has accepted a SYN with data, has sent the SYN-ACK as often as permitted, and has heard
// nothing since the last one (RFC 9293 3.8.3, R2). Later segments of its peer get a RST.
func (e *End) gaveUp() bool {
	return e.fastOpen != nil && e.Listening && e.Conn != nil && e.Conn.Err() == conn.ErrTimeout && e.ended.Sub(e.heard) >= gaveUpAfter
}

// refused reports whether e, whose SYN had data, has received a RST before the SYN-ACK, because the peer's application
// has ended the connection early, or the peer has given up and no longer listens.
func (e *End) refused() bool {
	return e.fastOpen != nil && !e.Listening && (e.peer.left || e.peer.gaveUp()) && e.Conn.Err() == conn.ErrRefused
}

// checkFastOpen returns an error if the ends disagree on the data of the SYN: the end that listens has accepted any
// that the other takes for accepted, and none with a wrong cookie.
func (p *Pair) checkFastOpen() error {
	if p.A.fastOpen == nil || p.A.Conn == nil || p.B.Conn == nil {
		return nil
	}
	wrong := fastOpenKeys.Match(&p.A.fastOpen.Option, cookieLocal.Addr(), cookieRemote.Addr()) == fastopen.NoKey
	a, b := p.A.Conn.Info(p.Now), p.B.Conn.Info(p.Now)
	switch {
	case a.SYNData && !b.SYNData:
		return errors.New("a takes data of its SYN for accepted, which b has not accepted")
	case wrong && (a.SYNData || b.SYNData):
		return fmt.Errorf("data of a SYN with a wrong cookie was accepted: a %v, b %v", a.SYNData, b.SYNData)
	case a.SYNData && a.FastOpenFailure != fastopen.NoFailure:
		return fmt.Errorf("data of the SYN was accepted, and Info has the failure %v", a.FastOpenFailure)
	}
	return nil
}
