package conn

import "minitcp/conn/seq"

// ICMPKind says how an ICMP error bears on a connection (RFC 9293 3.9.2.2).
type ICMPKind uint8

const (
	// ICMPSoft: net or host unreachable, time exceeded, parameter problem. It may pass; it does not end a connection (MUST-56).
	ICMPSoft ICMPKind = iota
	// ICMPHard: protocol or port unreachable. It ends an attempt to connect, and is as ICMPSoft afterwards.
	ICMPHard
	// ICMPTooBig: a packet did not fit the path (RFC 1191, RFC 8201).
	ICMPTooBig
)

var icmpKindNames = [...]string{ICMPSoft: "soft", ICMPHard: "hard", ICMPTooBig: "too big"}

// String returns "soft", "hard" or "too big".
func (k ICMPKind) String() string { return nameOf(icmpKindNames[:], k) }

// ICMPError is an ICMP error message about a segment of ours.
type ICMPError struct {
	Kind ICMPKind
	// Err is what the application will be told.
	Err Error
	// Seq is the quoted segment's sequence number.
	Seq uint32
	// MTU is the next hop's, for ICMPTooBig; 0 when a router did not say.
	MTU int
}

const (
	// minMTU4 is the smallest packet size used over IPv4, 512 bytes of data and 40 of headers. Where the path takes less,
	// routers may fragment.
	minMTU4 = 552
	// minMTU6 is the smallest MTU of an IPv6 link (RFC 8200 5).
	minMTU6 = 1280
)

// ReceiveICMP takes an ICMP error. An error that does not quote data in flight is forged or late, and ignored
// (RFC 5927 4.1).
func (c *Conn) ReceiveICMP(now Time, e ICMPError) {
	if c.state == Closed || c.state == TimeWait {
		return // nothing is in flight
	}
	at := seq.Unwrap(c.snd.iss, c.snd.una, e.Seq)
	if at < c.snd.una || at >= c.snd.max {
		return
	}
	switch {
	case e.Kind == ICMPTooBig:
		c.lowerMTU(now, e.MTU)
	case c.state == SynSent, c.state == SynReceived && e.Kind == ICMPHard:
		// Deviation: MUST-56 is kept for connections, but not for attempts to open one. Those end at once, so that an
		// application can try another address (RFC 5461 4.1); Linux does the same.
		c.fail(e.Err)
	default:
		// Deviation: a hard error does not end a synchronized connection (SHLD-26). With much data in flight, an attacker
		// who knows the addresses and ports would need a few hundred guesses of a sequence number (RFC 5927 5.2).
		c.softError = e.Err
	}
}

// LowerMTU makes the connection send packets of at most mtu bytes, if they may be larger now: the device's MTU has fallen.
func (c *Conn) LowerMTU(now Time, mtu int) {
	if c.state != Closed && c.state != TimeWait {
		c.lowerMTU(now, mtu)
	}
}

// lowerMTU takes a smaller path MTU and sends segments that were too large again, in pieces that fit. Mtu is the size that
// the router reported, 0 if it reported none (RFC 1191 5).
//
// Sizes below the minimum are not used: a forged message would make tiny segments. Over IPv4, routers may fragment instead
// (Linux does the same below its min_pmtu); over IPv6, such a message is ignored (RFC 8201 4).
func (c *Conn) lowerMTU(now Time, mtu int) {
	p := &c.path
	v6 := p.ipHeader >= 40
	if v6 && mtu < minMTU6 {
		return
	}
	if mtu == 0 {
		mtu = int(p.mtu) / 2
	}
	if mtu >= int(p.mtu) || mtu < minMTU4 && p.fragment {
		return
	}
	p.fragment = mtu < minMTU4
	p.mtu = min(p.mtu, int32(max(mtu, minMTU4)))
	if c.active == nil || c.active.cc == nil {
		return
	}
	c.active.cc.SetMSS(c.fullSize())
	c.resize(now, c.fullSize()-max(0, int(p.mtu)-mtu))
}
