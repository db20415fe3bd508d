package script

import (
	"net/netip"
	"strconv"

	"minitcp/conn"
	"minitcp/conn/fastopen"
	"minitcp/conn/wire"
)

const (
	kindFastOpen         = 34
	kindExperiment       = 254
	fastOpenExperiment   = "\xf9\x89" // RFC 6994
	maxFastOpenOptionLen = maxOptions - 2
)

// Scripts write TFO_COOKIE for the cookie of the key in Linux's defaults.sh, and TFO_COOKIE_ZERO for that of a key of
// zeros. The addresses that the cookies depend on are the host's own choice.
var (
	fastOpenKey    = [16]byte{0xa1, 0xa1, 0xa1, 0xa1, 0xb2, 0xb2, 0xb2, 0xb2, 0xc3, 0xc3, 0xc3, 0xc3, 0xd4, 0xd4, 0xd4, 0xd4}
	fastOpenLocal  = netip.AddrFrom4([4]byte{192, 0, 2, 1})
	fastOpenRemote = netip.AddrFrom4([4]byte{198, 51, 100, 1})
)

// fastOpenCookie returns the cookie of a key.
func fastOpenCookie(kind wire.FastOpenKind, key [16]byte) wire.FastOpen {
	return fastopen.FixedKeys(key).Cookie(kind, fastOpenLocal, fastOpenRemote)
}

// fastOpen parses the cookie of a Fast Open option: nothing, hexadecimal digits, or a name.
func (p *parser) fastOpen(experiment bool) (o option, err *Error) {
	first := p.peek()
	text := ""
	for at := first.from; p.peek().from == at && (p.peek().kind == tokenWord || p.peek().kind == tokenNumber); {
		t := p.take() // digits and letters are separate tokens
		text += t.text
		at = t.to
	}
	cookie := ""
	switch text {
	case "TFO_COOKIE", "TFO_COOKIE_ZERO":
		key := fastOpenKey
		if text != "TFO_COOKIE" {
			key = [16]byte{}
		}
		f := fastOpenCookie(wire.FastOpenStandard, key)
		cookie = string(f.Data())
	default:
		for rest := text; rest != ""; rest = rest[2:] {
			n, bad := strconv.ParseUint(rest[:min(2, len(rest))], 16, 8)
			if bad != nil || len(rest) < 2 || len(cookie) == maxFastOpenOptionLen {
				return o, errorf(first.line, "the cookie %q", shorten(text))
			}
			cookie += string([]byte{byte(n)})
		}
	}
	if experiment {
		return option{kind: kindExperiment, bytes: fastOpenExperiment + cookie}, nil
	}
	return option{kind: kindFastOpen, bytes: cookie}, nil
}

// fastOpenMode sets the bits of tcp_fastopen and reports whether the value is a number.
func (s *settings) fastOpenMode(value string) bool {
	bits, err := strconv.ParseUint(value, 0, 32)
	s.fastOpenNoCookie, s.fastOpenAlways = bits&0x200 != 0, bits&0x400 != 0
	return err == nil
}

// fastOpens reports whether a SYN to a listener makes a connection at once (RFC 7413 4.2.2). If not, it adds a cookie
// to the SYN-ACK if the SYN asks for one, or has one that is not valid.
func (l *socket) fastOpens(s *conn.Segment, h *conn.Handshake) bool {
	f := &s.TCP.Options.FastOpen
	if !l.options.fastOpen && !l.s.fastOpenAlways {
		return false
	}
	valid := fastopen.FixedKeys(fastOpenKey).Match(f, fastOpenLocal, fastOpenRemote) != fastopen.NoKey
	if valid || l.s.fastOpenNoCookie && len(s.Data) > 0 {
		return true
	}
	if f.Kind != wire.FastOpenNone {
		h.OfferCookie(fastOpenCookie(f.Kind, fastOpenKey))
	}
	return false
}

// dial begins an active open, with Fast Open or without. The SYN is not sent yet.
func (h *host) dial(u *socket, fastOpen bool) {
	o := h.openFor(u)
	u.flow = h.newFlow()
	if fastOpen {
		offer := h.offer
		if offer.Option.Len == 0 {
			offer.Option.Kind = wire.FastOpenStandard // requests a cookie
		}
		u.tcp = conn.DialFastOpen(h.now, u.config(), o, offer)
	} else {
		u.tcp = conn.Dial(h.now, u.config(), o)
	}
	u.flow.tcp, u.flow.last = u.tcp, u.tcp
	u.flow.begin(o.ISS)
}

// tryFastOpen performs the first write of a socket that is not connected. With a cookie, the SYN carries the data: a
// call that does not block takes as much as fits, as on Linux, and one that blocks returns when the handshake has
// ended. Without a cookie, the data waits for the handshake. The call ends as an ordinary write then.
func (c writeCall) tryFastOpen(h *host, u *socket, a *attempt) (outcome, bool) {
	cookie := h.offer.Option.Len > 0
	if u.tcp == nil {
		h.dial(u, true)
		u.fastOpening = true
		if cookie {
			n := c.count
			if u.nonblocking || c.nonblocking {
				n = min(n, int64(h.synRoom(u)))
			}
			part := make([]byte, n)
			fill(part, u.tcp.ISS()+1)
			took, _ := u.tcp.Write(h.now, part)
			a.done, u.wrote = int64(took), uint32(took)
		}
		h.flush(u.flow)
	}
	switch {
	case u.nonblocking || c.nonblocking:
		u.fastOpening = false
		if a.done > 0 {
			return success(a.done)
		}
		return failure("EINPROGRESS")
	case u.tcp.Ready()&conn.ReadyConnected == 0:
		return blocked, false
	}
	u.fastOpening = false
	if e := u.takeError(); e != "" {
		return failure(e)
	}
	if a.done == c.count {
		return success(a.done)
	}
	return blocked, false
}

// synRoom returns the number of data bytes that fit into a SYN.
func (h *host) synRoom(u *socket) int {
	n := h.s.mtu - tcpHeaderLen - h.openFor(u).IPHeader
	if u.options.maxSegment > 0 {
		n = min(n, u.options.maxSegment)
	}
	if h.offer.MSS > 0 {
		n = min(n, int(h.offer.MSS))
	}
	return n - maxOptions
}
