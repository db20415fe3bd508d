package conn

import (
	"errors"

	"minitcp/conn/seq"
	"minitcp/conn/wire"
)

// ECNMode says whether routers may mark packets instead of dropping them, which both ends must agree on in the
// handshake (RFC 3168 6.1.1).
type ECNMode uint8

const (
	// ECNPassive agrees when the peer asks. It is the default, as on Linux.
	ECNPassive ECNMode = iota
	// ECNActive asks, too. A SYN that is not answered is sent again without the question, in case something on the
	// way drops what it does not know (RFC 3168 6.1.1.1).
	ECNActive
	// ECNDisabled neither asks nor agrees.
	ECNDisabled
)

var ecnModeNames = [...]string{ECNPassive: "passive", ECNActive: "active", ECNDisabled: "disabled"}

// String is "passive", "active" or "disabled".
func (m ECNMode) String() string {
	if int(m) < len(ecnModeNames) {
		return ecnModeNames[m]
	}
	return "unknown"
}

// MarshalText implements encoding.TextMarshaler with the names of String.
func (m ECNMode) MarshalText() ([]byte, error) { return []byte(m.String()), nil }

// UnmarshalText implements encoding.TextUnmarshaler with the names of String.
func (m *ECNMode) UnmarshalText(text []byte) error {
	for i, name := range ecnModeNames {
		if name == string(text) {
			*m = ECNMode(i)
			return nil
		}
	}
	return errors.New("there are passive, active and disabled")
}

// ecn answers: what have routers said about congestion, and has who must hear it heard? A router marks a packet (CE), the
// receiver says so with every ACK (ECE) until the sender says that it has heard it and reduced its window (CWR).
type ecn struct {
	ecnHandshake

	marked bool // the peer is to be told of a mark: ECE is on everything until it says CWR

	cwr bool       // the peer is to be told, with the next new data, that the window has been reduced
	end seq.Offset // SND.MAX when it was last reduced for a mark: what is acknowledged up to here says nothing new
}

// ecnHandshake is what has been said of ECN in SYNs and SYN-ACKs: of those that were sent and of those that came, has one
// set it up, has one not?
type ecnHandshake struct{ sentSetup, sentPlain, heardSetup, heardPlain bool }

// ecnSetup reports whether a SYN or SYN-ACK sets up ECN. A SYN-ACK with CWR does not: there are hosts that send back
// whatever bits they get (RFC 3168 6.1.1).
func ecnSetup(f wire.Flags) bool {
	if f.Has(wire.ACK) {
		return f&(wire.ECE|wire.CWR) == wire.ECE
	}
	return f.Has(wire.ECE | wire.CWR)
}

// heard takes the flags of a SYN or SYN-ACK that came.
func (e *ecnHandshake) heard(f wire.Flags) {
	if ecnSetup(f) {
		e.heardSetup = true
	} else {
		e.heardPlain = true
	}
}

// offer adds to the flags of a SYN or SYN-ACK that is about to be sent what it says of ECN; again: it is a SYN that was
// not answered. Who once was asked, or answered, without ECN does not come back to it.
func (e *ecnHandshake) offer(f wire.Flags, mode ECNMode, again bool) wire.Flags {
	switch {
	case f.Has(wire.ACK):
		if mode != ECNDisabled && e.heardSetup && !e.heardPlain && !e.sentPlain {
			f |= wire.ECE
		}
	case mode == ECNActive && !again:
		f |= wire.ECE | wire.CWR
	}
	if ecnSetup(f) {
		e.sentSetup = true
	} else {
		e.sentPlain = true
	}
	return f
}

// agreed reports whether what we send may be marked: neither side has ever been in doubt (RFC 3168 6.1.1).
func (e *ecnHandshake) agreed() bool {
	return e.sentSetup && e.heardSetup && !e.sentPlain && !e.heardPlain
}

// heeds reports whether the peer may believe that we agreed. Then its packets may be marked, and it must be told
// (RFC 3168 6.1.1).
func (e *ecnHandshake) heeds() bool { return e.sentSetup && e.heardSetup }

// takeMark takes the codepoint of a segment with data that is new. A mark is reported at once: the peer's window may be so
// small that nothing more would come meanwhile.
func (c *Conn) takeMark(s *Segment) {
	if s.ECN != wire.CE || !c.ecn.heeds() {
		return
	}
	c.stats.CEReceived++
	if !c.ecn.marked {
		c.ecn.marked = true
		c.acknowledgeNow(NoteNone)
	}
}

// takeCWR ends the report of marks: the peer has heard. A mark of the very same segment is another one.
func (c *Conn) takeCWR(s *Segment) {
	if !s.TCP.Flags.Has(wire.CWR) || !c.ecn.heeds() {
		return
	}
	c.ecn.marked = false
	if len(s.Data) > 0 {
		c.acknowledgeNow(NoteNone) // as in takeMark
	}
}

// allowMarks lets routers mark a segment of new data, and tells the peer with the first one after a reduction that there
// was one. Nothing else may be marked: neither what carries no data, nor what is sent again, nor probes (RFC 3168 6.1.4 to
// 6.1.6; RFC 8311 leaves that to experiments).
func (c *Conn) allowMarks(out *Outgoing) {
	if out.Len == 0 || !c.ecn.agreed() {
		return
	}
	out.ECN = wire.ECT0
	if c.ecn.cwr {
		c.ecn.cwr = false
		out.TCP.Flags |= wire.CWR
	}
}

// reduced makes the next new data say that the window has come down, for whatever reason (RFC 3168 6.1.2). A router may
// have dropped what said so the last time.
func (e *ecn) reduced() { e.cwr = e.agreed() }

// takeECE takes an ACK with or without the report of a mark, and returns whether it has one. The window comes down once
// in a round trip, whether marks or losses are the reason, in proportion to what arrives, as in loss recovery (RFC 9937).
// Flight is what was unacknowledged before the ACK.
func (c *Conn) takeECE(now Time, ack seq.Offset, h *wire.TCP, flight int64, a *arrival) bool {
	r, e := &c.recovery, &c.ecn
	if r.reducing && r.phase == noRecovery {
		if r.reducing = c.snd.una < e.end; r.reducing {
			r.prr.arrived(c, a)
		}
	}
	if h.Flags&(wire.ECE|wire.SYN) != wire.ECE || ack < c.snd.una || !e.agreed() {
		return false
	}
	switch {
	case r.phase != noRecovery:
		c.undo.congested = true // whatever becomes of the losses
	case ack > max(e.end, r.end):
		c.reduceForMark(now, flight, a)
	}
	return true
}

// reduceForMark answers a mark.
func (c *Conn) reduceForMark(now Time, flight int64, a *arrival) {
	r := &c.recovery
	c.stats.ECEReductions++
	c.ecn.end = c.snd.max
	c.ecn.reduced()
	c.undo.congested = true // what it would give back is no longer the last reduction
	if full := int64(c.fullSize()); c.cc.Window() <= full {
		// It cannot be less, so it is less often: nothing new before a retransmission timeout has passed (RFC 3168 6.1.2).
		c.timer.slow = now.Add(c.rtt.timeout(c.cfg))
		return
	}
	l := c.lossNow(now)
	l.InFlight, l.ECN = flight, true
	c.cc.OnLoss(l)
	if c.cc.Models() || c.snd.una == c.ecn.end {
		return // at once
	}
	r.reducing = true
	r.prr = prr{flight: max(1, c.pipe()+a.octets), threshold: c.cc.Window()}
	r.prr.arrived(c, a)
}
