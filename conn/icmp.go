package conn

import (
	"minitcp/conn/names"
	"minitcp/conn/scoreboard"
	"minitcp/conn/seq"
)

// ICMPKind is the effect of an ICMP error on a connection (RFC 9293 3.9.2.2).
type ICMPKind uint8

const (
	// ICMPSoft stands for net or host unreachable, time exceeded, parameter problem. The condition may pass and does not
	// end a connection (MUST-56).
	ICMPSoft ICMPKind = iota
	// ICMPHard stands for protocol or port unreachable. It ends an attempt to connect, and is like ICMPSoft later.
	ICMPHard
	// ICMPTooBig means that a packet is larger than a link on the path permits (RFC 1191, RFC 8201).
	ICMPTooBig
)

var icmpKindNames = [...]string{ICMPSoft: "soft", ICMPHard: "hard", ICMPTooBig: "too big"}

// String returns "soft", "hard" or "too big".
func (k ICMPKind) String() string { return names.Of(icmpKindNames[:], k) }

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
	case e.Kind == ICMPTooBig && c.path.TooBig(now, at, e.MTU):
		c.resize(now, c.fullSize(), scoreboard.Transmission{}) // only the probe was too large
	case e.Kind == ICMPTooBig:
		c.lowerMTU(now, at, e.MTU)
	case c.state == SynSent, c.state == SynReceived && e.Kind == ICMPHard && !c.early():
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
	if c.state != Closed && c.state != TimeWait && c.path.Limit(mtu) {
		c.useMTU(now, 0, scoreboard.Transmission{})
	}
}

// lowerMTU takes a smaller path MTU from an ICMP message about the segment at a sequence number, 0 if its size is not
// known. Messages about earlier segments may arrive later.
func (c *Conn) lowerMTU(now Time, at seq.Offset, mtu int) {
	excess, smaller := c.path.Lower(now, mtu)
	if !smaller && mtu < c.path.MTU() {
		return
	}
	if !smaller {
		excess = c.path.MTU() - mtu
	}
	var first scoreboard.Transmission
	if c.active != nil {
		first = c.active.sent.Sent(at)
	}
	c.useMTU(now, excess, first)
	if smaller && c.state == SynSent && c.snd.max > 1 {
		c.repeatSYN(now) // without data
	}
}

// useMTU retransmits the segments that were too large for the path MTU in smaller ones, except for those sent before
// first. excess is the number of bytes by which segments of the present size are still too large; it is negative if
// larger ones fit.
func (c *Conn) useMTU(now Time, excess int, first scoreboard.Transmission) {
	if c.active == nil || c.active.cc == nil {
		return
	}
	c.active.cc.SetMSS(c.fullSize())
	c.resize(now, c.fullSize()-excess, first)
}
