package conn

import "minitcp/conn/seq"

// ICMPKind is the effect of an ICMP error on a connection (RFC 9293 3.9.2.2).
type ICMPKind uint8

const (
	// ICMPSoft: net or host unreachable, time exceeded, parameter problem. The condition may pass and does not end a
	// connection (MUST-56).
	ICMPSoft ICMPKind = iota
	// ICMPHard: protocol or port unreachable. It ends an attempt to connect, and is like ICMPSoft later.
	ICMPHard
	// ICMPTooBig: a packet is larger than a link on the path permits (RFC 1191, RFC 8201).
	ICMPTooBig
)

var icmpKindNames = [...]string{ICMPSoft: "soft", ICMPHard: "hard", ICMPTooBig: "too big"}

// String returns "soft", "hard" or "too big".
func (k ICMPKind) String() string { return nameOf(icmpKindNames[:], k) }

// ICMPError is an ICMP error message that quotes a segment of the connection.
type ICMPError struct {
	Kind ICMPKind
	// Err is the error that the application receives.
	Err Error
	// Seq is the sequence number of the quoted segment.
	Seq uint32
	// MTU is the next hop's MTU for ICMPTooBig, or 0 if the router has not reported it.
	MTU int
}

const (
	// minMTU4 is the smallest size of IPv4 packets: 512 bytes of data and 40 of headers. If a link on the path permits
	// less, routers may fragment.
	minMTU4 = 552
	// minMTU6 is the smallest MTU of an IPv6 link (RFC 8200 5).
	minMTU6 = 1280
)

// ReceiveICMP processes an ICMP error. An error that does not quote data in flight is forged or late, and is ignored
// (RFC 5927 4.1).
func (c *Conn) ReceiveICMP(now Time, e ICMPError) {
	if c.state == Closed || c.state == TimeWait {
		return // no data is in flight
	}
	at := seq.Unwrap(c.snd.iss, c.snd.una, e.Seq)
	if at < c.snd.una || at >= c.snd.max {
		return
	}
	switch {
	case e.Kind == ICMPTooBig:
		c.lowerMTU(now, e.MTU)
	case c.state == SynSent, c.state == SynReceived && e.Kind == ICMPHard:
		// Deviation: MUST-56 is observed for connections, but not for attempts to open one. Those end at once, so that an
		// application can try another address (RFC 5461 4.1). Linux does the same.
		c.fail(e.Err)
	default:
		// Deviation: a hard error does not end a synchronized connection (SHLD-26). With much data in flight, an
		// attacker who knows the addresses and ports would need a few hundred guesses of a sequence number (RFC 5927 5.2).
		c.softError = e.Err
	}
}

// LowerMTU limits the packets of the connection to mtu bytes after the device's MTU has fallen.
func (c *Conn) LowerMTU(now Time, mtu int) {
	if c.state != Closed && c.state != TimeWait {
		c.lowerMTU(now, mtu)
	}
}

// lowerMTU takes a smaller path MTU and retransmits the segments that were too large, in smaller ones. mtu is the size
// that the router has reported, or 0 if it has reported none (RFC 1191 5).
//
// Sizes below the minimum are not used, since a forged message would cause tiny segments. Over IPv4, routers may
// fragment instead, as on Linux below its min_pmtu. Over IPv6, such a message is ignored (RFC 8201 4).
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
