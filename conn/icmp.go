package conn

import "minitcp/conn/seq"

// ICMPKind says how an ICMP error bears on a connection (RFC 9293 3.9.2.2).
type ICMPKind uint8

const (
	// ICMPSoft: net or host unreachable, time exceeded, parameter problem. It may pass; it does not end a connection (MUST-56).
	ICMPSoft ICMPKind = iota
	// ICMPHard: protocol or port unreachable. It will not pass (SHLD-26).
	ICMPHard
	// ICMPTooBig: a packet did not fit the path (RFC 1191, RFC 8201).
	ICMPTooBig
)

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

// Smallest path MTU believed: less would let a forged message make every octet cost a packet (RFC 1191 3, RFC 8200 5).
const (
	minMTU4 = 576
	minMTU6 = 1280
)

// ReceiveICMP takes an ICMP error. One that does not quote data in flight is forged or late, and ignored
// (RFC 5927 4.1).
func (c *Conn) ReceiveICMP(now Time, e ICMPError) {
	if c.awake == nil || c.state == Closed || c.state == TimeWait {
		return // nothing is in flight
	}
	at := seq.Unwrap(c.snd.iss, c.snd.una, e.Seq)
	if at < c.snd.una || at >= c.snd.max {
		return
	}
	switch e.Kind {
	case ICMPSoft:
		c.softError = e.Err
		// Deviation: MUST-56 is kept for connections, but not for attempts to open one. Those end at once, so that an
		// application can try another address (RFC 5461 4.1); Linux does the same.
		if c.state == SynSent {
			c.fail(e.Err)
		}
	case ICMPHard:
		c.fail(e.Err)
	case ICMPTooBig:
		c.lowerMTU(now, e.MTU)
	}
}

// lowerMTU takes a smaller path MTU and sends segments that were too large again, in pieces that fit.
func (c *Conn) lowerMTU(now Time, mtu int) {
	least := minMTU4
	if c.path.ipHeader >= 40 {
		least = minMTU6
	}
	if mtu == 0 {
		mtu = int(c.path.mtu) / 2 // an old router that does not say (RFC 1191 5)
	}
	mtu = max(mtu, least)
	if mtu >= int(c.path.mtu) {
		return
	}
	c.path.mtu = int32(mtu)
	if c.cc == nil {
		return
	}
	c.cc.SetMSS(c.fullSize())
	c.resize(now)
}
