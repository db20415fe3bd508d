package conn

import (
	"minitcp/conn/buffer"
	"minitcp/conn/seq"
	"minitcp/conn/wire"
)

// Handshake is a connection in SYN-RECEIVED of a passive OPEN: it has answered a SYN and waits for the ACK. It is small,
// for anybody can make a listener hold many of them. When it is dropped the listener is simply back in LISTEN (MUST-11).
type Handshake struct {
	cfg    *Config
	params Open
	path   path
	state  HandshakeState

	irs         uint32
	peerWindow  uint16 // the peer's, from its SYN
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

// HandshakeState says what the driver must do with a Handshake.
type HandshakeState uint8

const (
	// HandshakeWaiting: keep it, transmit, mind its deadline.
	HandshakeWaiting HandshakeState = iota
	// HandshakeReady: the segment just received completes the handshake. Call Establish and give it that segment, or, if
	// there is no room for another connection, do nothing: the Handshake waits for the next one, as if this had been lost.
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
	h := &Handshake{cfg: cfg, params: o, path: newPath(o), irs: syn.Seq, peerWindow: syn.Window, synAckDue: true}
	h.path.setPeerMSS(syn.Options.MSS)
	if cfg.WindowScale == Enabled && syn.Options.HasWindowScale {
		h.scaled = true
		h.sendScale = syn.Options.WindowScale
		h.scale = windowScale(cfg.MaxReceiveBuffer)
	}
	if cfg.Timestamps == Enabled && syn.Options.HasTimestamps {
		h.timestamps, h.tsRecent, h.tsRecentAt = true, syn.Options.TSVal, now
	}
	h.sack = cfg.SACK == Enabled && syn.Options.SACKPermitted
	h.ecn.received(syn.Flags)
	h.deadline = Never
	h.giveUp = now.Add(cfg.SYNTimeout)
	return h
}

// State says what to do with it.
func (h *Handshake) State() HandshakeState { return h.state }

// ISS and IRS are the two initial sequence numbers.
func (h *Handshake) ISS() uint32 { return h.params.ISS }
func (h *Handshake) IRS() uint32 { return h.irs }

// Deadline is when Advance must be called at the latest.
func (h *Handshake) Deadline() Time { return min(h.deadline, h.giveUp) }

// Advance sends the SYN-ACK again, or gives up (MUST-22, MUST-23).
func (h *Handshake) Advance(now Time) {
	switch {
	case h.held != nil:
		h.advanceHeld(now)
	case now >= h.giveUp:
		h.end()
	case now >= h.deadline:
		h.deadline = Never
		h.retransmits++
		h.synAckDue = true
	}
}

// Receive takes a segment from the peer (RFC 9293 3.10.7.4 for SYN-RECEIVED).
func (h *Handshake) Receive(now Time, s *Segment) Verdict {
	if h.state == HandshakeDead {
		return VerdictIgnored
	}
	if h.held != nil {
		return h.receiveHeld(now, s)
	}
	h.state = HandshakeWaiting // whatever an earlier segment made it
	at := seq.Unwrap(h.irs, 1, s.TCP.Seq)
	f := s.TCP.Flags
	if at == 0 && f.Has(wire.SYN) && !f.Has(wire.ACK) && !f.Has(wire.RST) {
		h.ecn.received(f)
		if h.challenge.allow(now) {
			h.synAckDue = true // the SYN-ACK was lost
		}
		return VerdictDuplicate
	}
	if v := h.check(now, s, at); v != VerdictAccepted {
		return v
	}
	if f.Has(wire.RST) {
		return h.receiveReset(now, at)
	}
	if f.Has(wire.SYN) {
		h.ackDue = h.challenge.allow(now)
		return VerdictChallenged
	}
	if !f.Has(wire.ACK) {
		return VerdictBadACK
	}
	if s.TCP.Ack != h.params.ISS+1 {
		h.resetDue, h.resetSeq = true, s.TCP.Ack
		return VerdictBadACK
	}
	h.state = HandshakeReady
	return VerdictAccepted
}

// check is the first step: the timestamp and the sequence number must be acceptable. As in [Conn.checkTimestamp], a segment
// without timestamps is.
func (h *Handshake) check(now Time, s *Segment, at seq.Offset) Verdict {
	reset := s.TCP.Flags.Has(wire.RST)
	if o := &s.TCP.Options; h.timestamps && o.HasTimestamps && !reset && seq.Less(o.TSVal, h.tsRecent) {
		h.ackDue = h.challenge.allow(now)
		return VerdictOldTimestamp
	}
	if end := at + s.length(); end < 1 || at >= 1+seq.Offset(synWindow(h.cfg)) || at < 1 && end <= 1 {
		if !reset {
			h.ackDue = h.challenge.allow(now)
		}
		return VerdictOutOfWindow
	}
	return VerdictAccepted
}

// receiveReset is the second step: a RST at exactly RCV.NXT returns the listener to LISTEN (RFC 5961 3.2).
func (h *Handshake) receiveReset(now Time, at seq.Offset) Verdict {
	if at != 1 {
		h.ackDue = h.challenge.allow(now)
		return VerdictChallenged
	}
	h.end()
	return VerdictReset
}

// Establish makes the connection, in SYN-RECEIVED; give it the segment that made the Handshake ready.
func (h *Handshake) Establish(now Time) *Conn {
	c := newConn(now, h.cfg, h.params)
	c.setState(SynReceived)
	c.path = h.path
	c.snd.nxt, c.snd.max = 1, 1
	c.snd.scale, c.rcv.scale = h.sendScale, h.scale
	c.snd.window = int64(h.peerWindow)
	c.snd.largest = c.snd.window
	c.snd.edge = 1 + seq.Offset(h.peerWindow)
	c.rcv.irs = h.irs
	c.rcv.buf = buffer.ReceiveAt(1)
	c.rcv.edge = 1 + seq.Offset(synWindow(h.cfg))
	c.rcv.lastACK = 1
	c.rcv.segmentSize = minSendMSS
	c.timestamps, c.tsRecent, c.tsRecentAt = h.timestamps, h.tsRecent, h.tsRecentAt
	c.sack = h.sack
	c.ecn.ecnHandshake = h.ecn
	c.timeouts = uint32(h.retransmits)
	if h.retransmits == 0 {
		c.active.timing.start(h.sentAt, 1)
	}
	c.active.timer.retransmit, c.active.timer.giveUp = h.deadline, h.giveUp
	c.armRetransmit(now)
	return c
}

// Transmit builds the next segment: see [Conn.Transmit].
func (h *Handshake) Transmit(now Time, _ int, out *Outgoing) bool {
	switch {
	case h.resetDue:
		h.resetDue = false
		out.reset(wire.RST)
		out.TCP.Seq = h.resetSeq
		return true
	case h.state == HandshakeDead:
		return false
	case h.held != nil:
		if !h.held.probeDue {
			return false
		}
		h.transmitHoldProbe(out)
		return true
	case h.synAckDue:
		h.synAckDue, h.ackDue = false, false
		h.synAck(now, out)
		return true
	case h.ackDue:
		h.ackDue = false
		out.reset(wire.ACK)
		out.TCP.Seq, out.TCP.Ack = h.params.ISS+1, h.irs+1
		out.TCP.Window = uint16(synWindow(h.cfg) >> h.scale)
		h.stamp(now, &out.TCP.Options)
		out.Note = NoteChallenge
		return true
	}
	return false
}

func (h *Handshake) synAck(now Time, out *Outgoing) {
	out.reset(h.ecn.offer(wire.SYN|wire.ACK, h.cfg.ECN, false))
	out.TCP.Seq, out.TCP.Ack = h.params.ISS, h.irs+1
	out.TCP.Window = uint16(synWindow(h.cfg))
	o := &out.TCP.Options
	o.MSS = h.path.announcedMSS()
	o.SACKPermitted = h.sack
	o.HasWindowScale, o.WindowScale = h.scaled, h.scale
	h.stamp(now, o)
	if h.sent {
		out.Note = NoteRetransmission
		h.retransmits = max(h.retransmits, 1) // its RTT says nothing any more
	}
	h.sent, h.sentAt = true, now
	rtt := rttEstimator{backoff: uint8(min(h.retransmits, maxBackoff))}
	h.deadline = now.Add(rtt.timeout(h.cfg))
}

func (h *Handshake) stamp(now Time, o *wire.Options) {
	if h.timestamps {
		o.HasTimestamps, o.TSVal, o.TSEcr = true, timestampClock(now, h.params.TSOffset), h.tsRecent
	}
}
