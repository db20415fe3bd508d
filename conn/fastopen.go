package conn

import (
	"time"

	"minitcp/conn/cc"
	"minitcp/conn/fastopen"
	"minitcp/conn/names"
	"minitcp/conn/seq"
	"minitcp/conn/window"
	"minitcp/conn/wire"
)

// With TCP Fast Open (RFC 7413) the SYN carries data, which a server accepts if the SYN has a cookie that it has issued
// to the client's address. RFC7413.md lists the requirements and the tests that show them.

// fastOpening is the state of Fast Open in a handshake.
type fastOpening struct {
	option  wire.FastOpen  // of the SYN, or of the first SYN-ACK
	learned fastopen.Offer // cookie and MSS in the peer's SYN-ACK
	waits   bool           // the SYN waits for data of the application
	early   bool           // passive open with a valid cookie: data goes both ways before the ACK of the SYN-ACK
}

// fastOpenState is the state of Fast Open in the life of a connection: two bits of a FastOpenFailure, and flags.
type fastOpenState uint8

const (
	fastOpenFailure fastOpenState = 3
	fastOpenAsked   fastOpenState = 1 << 2 // the SYN sent had the option
	fastOpenData    fastOpenState = 1 << 3 // data in a SYN was accepted, by this end or by the peer
	fastOpenFailed  fastOpenState = 1 << 4 // the next SYN to the server should not have the option for a while

	// News for ReportFastOpen: the handshake has ended, a black hole is suspected, data has arrived.
	fastOpenDecided fastOpenState = 1 << 5
	fastOpenHole    fastOpenState = 1 << 6
	fastOpenWorks   fastOpenState = 1 << 7
	fastOpenNews                  = fastOpenDecided | fastOpenHole | fastOpenWorks
)

// FastOpenFailure is the reason for which an active open with Fast Open had no data accepted from its SYN. The values
// are Linux's (tcpi_fastopen_client_fail).
type FastOpenFailure uint8

const (
	// FastOpenNoFailure: the data was accepted, the SYN had none, or Fast Open was not used.
	FastOpenNoFailure FastOpenFailure = iota
	// FastOpenNoCookie: no cookie of the server was known, or Fast Open was paused after a failure.
	FastOpenNoCookie
	// FastOpenDataNotAcked: the SYN-ACK has acknowledged the SYN only, or the attempt has failed.
	FastOpenDataNotAcked
	// FastOpenSYNRetransmitted: the SYN was sent again, without data.
	FastOpenSYNRetransmitted
)

var fastOpenFailureNames = [...]string{"none", "no cookie", "data not acknowledged", "SYN retransmitted"}

// String returns "none", "no cookie", "data not acknowledged" or "SYN retransmitted".
func (f FastOpenFailure) String() string { return names.Of(fastOpenFailureNames[:], f) }

// FastOpenReport has the results of an active Fast Open since the last report.
type FastOpenReport struct {
	Learned   fastopen.Offer // a cookie to use with the server; its Option is the zero value without one
	Accepted  bool           // the server has accepted data in the SYN
	Refused   bool           // the server has not accepted data in the SYN
	Failed    bool           // the next SYN to the server should not have the option for a while
	BlackHole bool           // the path may lose the segments after a SYN with the option
	Works     bool           // data has arrived
}

// fastOpenWait is the longest time for which the SYN waits for data. An application whose server speaks first writes
// nothing before it has read.
const fastOpenWait = 50 * time.Millisecond

// DialFastOpen is Dial with Fast Open. If the offer has a cookie, the SYN waits for the first Write, whose data it
// carries, or for CloseWrite, for at most 50 ms. Otherwise it is sent at once. Close after Write sends the data
// nevertheless.
func DialFastOpen(now Time, cfg *Config, o Open, offer fastopen.Offer) *Conn {
	c := Dial(now, cfg, o)
	c.active.fast = &fastOpening{option: offer.Option}
	if offer.Option.Len == 0 {
		c.fastOpen |= fastOpenState(FastOpenNoCookie)
		return c
	}
	c.path.SetPeerMSS(offer.MSS)
	c.active.fast.waits = true
	c.active.timer.retransmit = now.Add(fastOpenWait)
	return c
}

// AwaitsData reports whether the SYN of DialFastOpen waits for data.
func (c *Conn) AwaitsData() bool {
	return c.state == SynSent && c.active.fast != nil && c.active.fast.waits && c.snd.max == 0 && c.snd.end() == 1
}

// fastOpenReserve is the room for options in a SYN with data, which is that of all options, as on Linux: middleboxes
// may add some.
const fastOpenReserve = 40

// fastOpenCookie adds a fresh cookie to the first SYN-ACK of a passive open. The option of an active open belongs to
// its SYN, which has crossed the peer's.
func (c *Conn) fastOpenCookie(o *wire.Options) {
	if c.early() {
		o.FastOpen, c.active.fast.option = c.active.fast.option, wire.FastOpen{}
	}
}

// fastOpenSYN adds the option and data to the first SYN, and returns the number of bytes. The data has to fit beside
// the options into a segment of the MSS that the server had when it sent the cookie (RFC 7413 4.2.1).
func (c *Conn) fastOpenSYN(now Time, out *Outgoing) seq.Offset {
	f := c.active.fast
	switch {
	case f == nil:
		return 0
	case c.state == SynReceived:
		return 0
	case c.snd.max > 0 || f.option.Kind == wire.FastOpenNone: // retransmissions have neither
		return 0
	}
	if f.waits {
		f.waits, c.active.timer.retransmit = false, Never
	}
	c.fastOpen |= fastOpenAsked
	out.TCP.Options.FastOpen = f.option
	n := min(c.snd.buf.Size(), c.path.SendMSS()-fastOpenReserve)
	if f.option.Requests() || n <= 0 {
		return 0
	}
	out.Data, out.Len = c.snd.buf.Slices(out.Data, 1, n), n
	c.stats.Sent += uint64(n)
	c.lastSent = now
	return seq.Offset(n)
}

// fastOpenAnswered processes the ACK of the SYN or SYN-ACK. Data of the SYN that it does not cover is sent again at
// once, and its loss is no sign of congestion (RFC 7413 4.2.1).
func (c *Conn) fastOpenAnswered(ack seq.Offset, h *wire.TCP) {
	f := c.active.fast
	if f == nil {
		return
	}
	if f.early {
		c.active.fast = nil
		return
	}
	if o := h.Options.FastOpen; o.Len > 0 && c.fastOpen&fastOpenAsked != 0 {
		o.Kind = wire.FastOpenStandard
		f.learned = fastopen.Offer{Option: o, MSS: h.Options.MSS}
	}
	c.fastOpen |= fastOpenDecided
	lost := c.timeouts > 0 || c.active.synRepeated
	switch {
	case ack > 1:
		c.fastOpen |= fastOpenData
		c.active.sent.SetDelivered(int64(ack - 1))
		if f.learned.Option.Len == 0 {
			f.learned = fastopen.Offer{Option: f.option, MSS: h.Options.MSS}
		}
	case c.snd.max > 1:
		c.fastOpen |= c.fastOpenLost()
		if lost || f.learned.Option.Len == 0 { // otherwise only the cookie was old
			c.fastOpen |= fastOpenFailed
		}
	case lost && c.fastOpen&fastOpenAsked != 0:
		c.fastOpen |= fastOpenFailed
	}
}

// fastOpenLost returns the failure of data in the SYN that was not accepted.
func (c *Conn) fastOpenLost() fastOpenState {
	if c.timeouts > 0 || c.active.synRepeated {
		return fastOpenState(FastOpenSYNRetransmitted)
	}
	return fastOpenState(FastOpenDataNotAcked)
}

// fastOpenEnds judges the path of an active Fast Open when the connection ends (as Linux does). A FIN without the data
// before it, when none has arrived at all, is a sign of a middlebox that drops the data. A failed attempt is one of a
// server or path that drops the SYN, unless the application has ended it.
func (c *Conn) fastOpenEnds() {
	switch {
	case c.fastOpen&fastOpenAsked == 0:
	case c.state == SynSent:
		if local := c.err == ErrClosed || c.err == ErrAborted; !local || c.timeouts > 0 {
			c.fastOpen |= fastOpenDecided | fastOpenFailed
			if c.snd.max > 1 {
				c.fastOpen |= c.fastOpenLost()
			}
		}
	case c.stats.DataSegmentsReceived > 0:
		c.fastOpen |= fastOpenWorks
	case c.rcv.finAt != never && !c.rcv.finDone:
		c.fastOpen |= fastOpenHole
	}
}

// fastOpenTimeouts is the number of consecutive timeouts that are a sign of a black hole, as on Linux.
const fastOpenTimeouts = 3

// suspectFastOpen notes a sign of a black hole: after an active Fast Open, no data has arrived.
func (c *Conn) suspectFastOpen() {
	if c.fastOpen&fastOpenAsked != 0 && c.stats.DataSegmentsReceived == 0 {
		c.fastOpen |= fastOpenHole
	}
}

// FastOpenNews reports whether ReportFastOpen has something to report.
func (c *Conn) FastOpenNews() bool { return c.fastOpen&fastOpenNews != 0 }

// ReportFastOpen returns the results of an active Fast Open since the last report.
func (c *Conn) ReportFastOpen() FastOpenReport {
	s := c.fastOpen
	c.fastOpen &^= fastOpenNews
	r := FastOpenReport{BlackHole: s&fastOpenHole != 0, Works: s&fastOpenWorks != 0}
	if s&fastOpenDecided == 0 || c.active == nil || c.active.fast == nil {
		return r
	}
	r.Learned = c.active.fast.learned
	r.Accepted, r.Failed = s&fastOpenData != 0, s&fastOpenFailed != 0
	r.Refused = FastOpenFailure(s&fastOpenFailure) >= FastOpenDataNotAcked
	c.active.fast = nil
	return r
}

// FastOpen returns the connection of a SYN with a valid cookie, in SYN-RECEIVED, with the data of the SYN. Data may be
// sent at once, after the SYN-ACK (RFC 7413 4.2.2). fresh is a cookie for the SYN-ACK to bring, if the client's is of
// an old key. The Handshake, which has not sent a SYN-ACK, is of no use afterwards.
//
// A duplicate of the SYN that arrives after the connection has ended makes another connection with the same data, which
// the application processes twice (RFC 7413 6.1).
func (h *Handshake) FastOpen(now Time, s *Segment, fresh wire.FastOpen) *Conn {
	c := h.Establish(now)
	c.active.fast = &fastOpening{option: fresh, early: true}
	c.active.cc = c.newController(cc.InitialWindow(c.fullSize()))
	c.stats.SegmentsReceived++
	data := s.Data[:min(len(s.Data), synWindow(h.cfg))]
	data = data[:c.keepable(1, len(data))]
	if len(data) == 0 {
		return c
	}
	c.stats.DataSegmentsReceived++
	c.lastDataReceived = now
	if _, ok := c.rcv.buf.Insert(c.cfg.Pool, 1, data); ok {
		c.fastOpen |= fastOpenData
		c.stats.Received += uint64(len(data))
		c.rcv.segmentSize.Measure(s.size(), len(s.Data), s.TCP.Flags)
	}
	return c
}

// OfferCookie adds a cookie to the first SYN-ACK.
func (h *Handshake) OfferCookie(f wire.FastOpen) { h.cookie = &f }

// early reports whether data may be sent and received although the peer has not acknowledged the SYN-ACK.
func (c *Conn) early() bool {
	return c.state == SynReceived && c.active.fast != nil && c.active.fast.early
}

// synACKWindow returns the window field of the SYN-ACK, which cannot be scaled.
func (c *Conn) synACKWindow() uint16 {
	return uint16(min(c.rcv.wnd.Edge-c.rcv.nxt(), window.MaxField))
}
