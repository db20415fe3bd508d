package conn

import (
	"minitcp/conn/buffer"
	"minitcp/conn/seq"
	"minitcp/conn/wire"
)

// Handshake is a connection in SYN-RECEIVED of a passive OPEN: it has answered a SYN and waits for the ACK. It is small,
// for anybody can make a listener hold many of them. When it is dropped the listener is simply back in LISTEN (MUST-11).
type Handshake struct {
	cfg   *Config
	params  Open
	path  path
	state HandshakeState

	irs         uint32
	peerWindow      uint16 // the peer's, from its SYN
	sendScale   uint8
	scale       uint8 // ours; 0 when scaling was not agreed on
	scaled      bool
	timestamps  bool
	sack        bool
	ecn         ecnHandshake
	tsRecent    uint32
	tsRecentAt  Time
	sent        bool // the SYN-ACK, last at sentAt
	sentAt      Time
	deadline    Time
	giveUp      Time
	retransmits int

	synAckDue bool
	ackDue    bool
	resetDue  bool
	resetSeq  uint32
	challenge challengeLimit
	held      *hold // nil unless it waits for a decision
}

// HandshakeState says what the driver must do with an Embryo.
type HandshakeState uint8

const (
	// HandshakeWaiting: keep it, transmit, mind its deadline.
	HandshakeWaiting HandshakeState = iota
	// HandshakeReady: the segment just received completes the handshake. Call Establish and give it that segment, or, if
	// there is no room for another connection, do nothing: the Embryo waits for the next one, as if this had been lost.
	HandshakeReady
	// HandshakeDead: forget it, after transmitting.
	HandshakeDead
)

var handshakeStateNames = [...]string{HandshakeWaiting: "waiting", HandshakeReady: "ready", HandshakeDead: "dead"}

// String returns "waiting", "ready" or "dead".
func (s HandshakeState) String() string { return nameOf(handshakeStateNames[:], s) }

// NewHandshake answers a SYN that reached a listener (RFC 9293 3.10.7.2). Data in the SYN is left for the peer to send
// again: it has not been shown yet that the peer is where it says it is.
func NewHandshake(now Time, cfg *Config, o Open, syn *wire.TCP) *Handshake {
	cfg = cfg.completed()
	e := &Handshake{cfg: cfg, params: o, path: newPath(o), irs: syn.Seq, peerWindow: syn.Window, synAckDue: true}
	e.path.setPeerMSS(syn.Options.MSS)
	if cfg.WindowScale == Enabled && syn.Options.HasWindowScale {
		e.scaled = true
		e.sendScale = syn.Options.WindowScale
		e.scale = windowScale(cfg.MaxReceiveBuffer)
	}
	if cfg.Timestamps == Enabled && syn.Options.HasTimestamps {
		e.timestamps, e.tsRecent, e.tsRecentAt = true, syn.Options.TSVal, now
	}
	e.sack = cfg.SACK == Enabled && syn.Options.SACKPermitted
	e.ecn.received(syn.Flags)
	e.deadline = Never
	e.giveUp = now.Add(cfg.SYNTimeout)
	return e
}

// State says what to do with it.
func (e *Handshake) State() HandshakeState { return e.state }

// ISS and IRS are the two initial sequence numbers.
func (e *Handshake) ISS() uint32 { return e.params.ISS }
func (e *Handshake) IRS() uint32 { return e.irs }

// Deadline is when Advance must be called at the latest.
func (e *Handshake) Deadline() Time { return min(e.deadline, e.giveUp) }

// Advance sends the SYN-ACK again, or gives up (MUST-22, MUST-23).
func (e *Handshake) Advance(now Time) {
	switch {
	case e.held != nil:
		e.advanceHeld(now)
	case now >= e.giveUp:
		e.end()
	case now >= e.deadline:
		e.deadline = Never
		e.retransmits++
		e.synAckDue = true
	}
}

// Receive takes a segment from the peer (RFC 9293 3.10.7.4 for SYN-RECEIVED).
func (e *Handshake) Receive(now Time, s *Segment) Verdict {
	if e.state == HandshakeDead {
		return VerdictIgnored
	}
	if e.held != nil {
		return e.receiveHeld(now, s)
	}
	e.state = HandshakeWaiting // whatever an earlier segment made it
	at := seq.Unwrap(e.irs, 1, s.TCP.Seq)
	f := s.TCP.Flags
	if at == 0 && f.Has(wire.SYN) && !f.Has(wire.ACK) && !f.Has(wire.RST) {
		e.ecn.received(f)
		if e.challenge.allow(now) {
			e.synAckDue = true // the SYN-ACK was lost
		}
		return VerdictDuplicate
	}
	if v := e.check(now, s, at); v != VerdictAccepted {
		return v
	}
	if f.Has(wire.RST) {
		return e.receiveReset(now, at)
	}
	if f.Has(wire.SYN) {
		e.ackDue = e.challenge.allow(now)
		return VerdictChallenged
	}
	if !f.Has(wire.ACK) {
		return VerdictBadACK
	}
	if s.TCP.Ack != e.params.ISS+1 {
		e.resetDue, e.resetSeq = true, s.TCP.Ack
		return VerdictBadACK
	}
	e.state = HandshakeReady
	return VerdictAccepted
}

// check is the first step: the timestamp and the sequence number must be acceptable. As in [Conn.checkTimestamp], a segment
// without timestamps is.
func (e *Handshake) check(now Time, s *Segment, at seq.Offset) Verdict {
	reset := s.TCP.Flags.Has(wire.RST)
	if o := &s.TCP.Options; e.timestamps && o.HasTimestamps && !reset && seq.Less(o.TSVal, e.tsRecent) {
		e.ackDue = e.challenge.allow(now)
		return VerdictOldTimestamp
	}
	if end := at + s.length(); end < 1 || at >= 1+seq.Offset(synWindow(e.cfg)) || at < 1 && end <= 1 {
		if !reset {
			e.ackDue = e.challenge.allow(now)
		}
		return VerdictOutOfWindow
	}
	return VerdictAccepted
}

// receiveReset is the second step: a RST at exactly RCV.NXT returns the listener to LISTEN (RFC 5961 3.2).
func (e *Handshake) receiveReset(now Time, at seq.Offset) Verdict {
	if at != 1 {
		e.ackDue = e.challenge.allow(now)
		return VerdictChallenged
	}
	e.end()
	return VerdictReset
}

// Establish makes the connection, in SYN-RECEIVED; give it the segment that made the Embryo ready.
func (e *Handshake) Establish(now Time) *Conn {
	c := newConn(now, e.cfg, e.params)
	c.setState(SynReceived)
	c.path = e.path
	c.snd.nxt, c.snd.max = 1, 1
	c.snd.scale, c.rcv.scale = e.sendScale, e.scale
	c.snd.window = int64(e.peerWindow)
	c.snd.largest = c.snd.window
	c.snd.edge = 1 + seq.Offset(e.peerWindow)
	c.rcv.irs = e.irs
	c.rcv.buf = buffer.ReceiveAt(1)
	c.rcv.edge = 1 + seq.Offset(synWindow(e.cfg))
	c.rcv.lastACK = 1
	c.rcv.segmentSize = minSendMSS
	c.timestamps, c.tsRecent, c.tsRecentAt = e.timestamps, e.tsRecent, e.tsRecentAt
	c.sack = e.sack
	c.ecn.ecnHandshake = e.ecn
	c.timeouts = uint32(e.retransmits)
	if e.retransmits == 0 {
		c.active.timing.start(e.sentAt, 1)
	}
	c.active.timer.retransmit, c.active.timer.giveUp = e.deadline, e.giveUp
	c.armRetransmit(now)
	return c
}

// Transmit builds the next segment: see [Conn.Transmit].
func (e *Handshake) Transmit(now Time, _ int, out *Outgoing) bool {
	switch {
	case e.resetDue:
		e.resetDue = false
		out.reset(wire.RST)
		out.TCP.Seq = e.resetSeq
		return true
	case e.state == HandshakeDead:
		return false
	case e.held != nil:
		if !e.held.probeDue {
			return false
		}
		e.transmitHoldProbe(out)
		return true
	case e.synAckDue:
		e.synAckDue, e.ackDue = false, false
		e.synAck(now, out)
		return true
	case e.ackDue:
		e.ackDue = false
		out.reset(wire.ACK)
		out.TCP.Seq, out.TCP.Ack = e.params.ISS+1, e.irs+1
		out.TCP.Window = uint16(synWindow(e.cfg) >> e.scale)
		e.stamp(now, &out.TCP.Options)
		out.Note = NoteChallenge
		return true
	}
	return false
}

func (e *Handshake) synAck(now Time, out *Outgoing) {
	out.reset(e.ecn.offer(wire.SYN|wire.ACK, e.cfg.ECN, false))
	out.TCP.Seq, out.TCP.Ack = e.params.ISS, e.irs+1
	out.TCP.Window = uint16(synWindow(e.cfg))
	o := &out.TCP.Options
	o.MSS = e.path.announcedMSS()
	o.SACKPermitted = e.sack
	o.HasWindowScale, o.WindowScale = e.scaled, e.scale
	e.stamp(now, o)
	if e.sent {
		out.Note = NoteRetransmission
		e.retransmits = max(e.retransmits, 1) // its RTT says nothing any more
	}
	e.sent, e.sentAt = true, now
	rtt := rttEstimator{backoff: uint8(min(e.retransmits, maxBackoff))}
	e.deadline = now.Add(rtt.timeout(e.cfg))
}

func (e *Handshake) stamp(now Time, o *wire.Options) {
	if e.timestamps {
		o.HasTimestamps, o.TSVal, o.TSEcr = true, timestampClock(now, e.params.TSOffset), e.tsRecent
	}
}
