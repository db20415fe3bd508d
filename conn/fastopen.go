package conn

import (
	"time"

	"minitcp/conn/cc"
	"minitcp/conn/fastopen"
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

// fastOpenWait is the longest time for which the SYN waits for data. An application whose server speaks first writes
// nothing before it has read.
const fastOpenWait = 50 * time.Millisecond

// DialFastOpen acts like Dial with Fast Open. If the offer has a cookie, the SYN waits for the first Write, whose data
// it carries, or for CloseWrite, for at most 50 ms. An empty Write ends the wait. Otherwise the SYN is sent at once.
// Close after Write sends the data nevertheless.
func DialFastOpen(now Time, cfg *Config, o Open, offer fastopen.Offer) *Conn {
	c := Dial(now, cfg, o)
	c.active.fast = &fastOpening{option: offer.Option}
	if offer.Option.Len == 0 {
		c.fastOpen.Uncookied()
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

// stopAwaitingData makes a SYN that waits for data due without any.
func (c *Conn) stopAwaitingData() {
	if c.AwaitsData() {
		c.active.fast.waits, c.active.timer.retransmit = false, Never
	}
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
	c.fastOpen.Ask()
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
	if o := h.Options.FastOpen; o.Len > 0 && c.fastOpen.Asked() {
		o.Kind = wire.FastOpenStandard
		f.learned = fastopen.Offer{Option: o, MSS: h.Options.MSS}
	}
	fresh := f.learned.Option.Len > 0
	if ack <= 1 {
		c.fastOpen.NotAccepted(c.fastOpenSent(), fresh)
		return
	}
	c.fastOpen.Accepted()
	c.active.sent.SetDelivered(int64(ack - 1))
	if !fresh {
		f.learned = fastopen.Offer{Option: f.option, MSS: h.Options.MSS}
	}
}

// fastOpenSent describes the SYN sent.
func (c *Conn) fastOpenSent() fastopen.SYN {
	return fastopen.SYN{Data: c.snd.max > 1, Repeated: c.timeouts > 0 || c.active.synRepeated}
}

// fastOpenEnds judges the path of an active Fast Open when the connection ends (as Linux does). A FIN without the data
// before it, when none has arrived at all, is a sign of a middlebox that drops the data. A failed attempt is one of a
// server or path that drops the SYN, unless the application has ended it.
func (c *Conn) fastOpenEnds() {
	switch {
	case !c.fastOpen.Asked():
	case c.state == SynSent:
		if local := c.err == ErrClosed || c.err == ErrAborted; !local || c.timeouts > 0 {
			c.fastOpen.Unanswered(c.fastOpenSent())
		}
	case c.stats.DataSegmentsReceived > 0:
		c.fastOpen.Work()
	case c.rcv.finAt != never && !c.rcv.finDone:
		c.fastOpen.Suspect()
	}
}

// fastOpenTimeouts is the number of consecutive timeouts that are a sign of a black hole, as on Linux.
const fastOpenTimeouts = 3

// suspectFastOpen notes a sign of a black hole: after an active Fast Open, no data has arrived.
func (c *Conn) suspectFastOpen() {
	if c.fastOpen.Asked() && c.stats.DataSegmentsReceived == 0 {
		c.fastOpen.Suspect()
	}
}

// FastOpenNews reports whether ReportFastOpen has something to report.
func (c *Conn) FastOpenNews() bool { return c.fastOpen.News() }

// ReportFastOpen returns the results of an active Fast Open since the last report.
func (c *Conn) ReportFastOpen() fastopen.Report {
	r, ended := c.fastOpen.Report()
	if ended && c.active != nil && c.active.fast != nil {
		r.Learned, c.active.fast = c.active.fast.learned, nil
	}
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
		c.fastOpen.Accept()
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
