package conn

import (
	"time"

	"minitcp/conn/accecn"
	"minitcp/conn/buffer"
	"minitcp/conn/challenge"
	"minitcp/conn/delack"
	"minitcp/conn/ecn"
	"minitcp/conn/hold"
	"minitcp/conn/pmtu"
	"minitcp/conn/rtt"
	"minitcp/conn/seq"
	"minitcp/conn/timestamps"
	"minitcp/conn/window"
	"minitcp/conn/wire"
)

// Handshake is a connection in SYN-RECEIVED after a passive OPEN. It replies to a SYN and waits for the ACK. It is
// small, since any host can make a listener hold many. A listener is in LISTEN all the time, so dropping a Handshake
// returns to that state (MUST-11).
type Handshake struct {
	cfg    *Config
	params Open
	state  State

	irs         uint32
	peerWindow  uint16 // window in the peer's SYN
	peerMSS     uint16 // MSS option in the peer's SYN, or 0
	sendScale   uint8
	scale       uint8 // local window scale; 0 if scaling was not agreed on
	scaled      bool
	timestamps  bool
	sack        bool
	ecn         ecn.Handshake
	ts          timestamps.State
	sent        bool // the SYN-ACK has been sent, the last time at sentAt, which is Never if that time is not known
	sentAt      Time
	deadline    Time
	giveUp      Time
	retransmits int

	synAckDue bool
	ackDue    bool
	resetDue  bool
	resetSeq  uint32
	challenge challenge.Limit
	held      *hold.Hold     // nil unless Hold delays the SYN-ACK
	cookie    *wire.FastOpen // of the first SYN-ACK; nil without Fast Open
}

// NewHandshake returns the Handshake for a SYN to a listener (RFC 9293 3.10.7.2). It ignores data in the SYN, which the
// peer retransmits: the SYN's source address may be forged.
func NewHandshake(now Time, cfg *Config, o Open, syn *wire.TCP) *Handshake {
	h := new(Handshake)
	h.init(now, cfg, o, syn)
	return h
}

// init sets a zero Handshake for a SYN.
func (h *Handshake) init(now Time, cfg *Config, o Open, syn *wire.TCP) {
	cfg = cfg.completed()
	h.cfg, h.params, h.state, h.ts.Offset = cfg, o, SynReceived, o.TSOffset
	h.irs, h.peerWindow, h.peerMSS, h.synAckDue = syn.Seq, syn.Window, syn.Options.MSS, true
	if cfg.WindowScale == Enabled && syn.Options.HasWindowScale {
		h.scaled = true
		h.sendScale = syn.Options.WindowScale
		h.scale = wire.WindowScaleFor(cfg.MaxReceiveBuffer)
	}
	if cfg.Timestamps == Enabled && syn.Options.HasTimestamps {
		h.timestamps = true
		h.ts.Take(now, syn.Options.TSVal)
	}
	h.sack = cfg.SACK == Enabled && syn.Options.SACKPermitted
	h.ecn.After(o.Path.ECNFailed)
	h.ecn.Received(syn.Flags, o.ECN, cfg.ECN)
	h.deadline = Never
	h.giveUp = now.Add(cfg.SYNTimeout)
}

// path returns the path to the peer.
func (h *Handshake) path() pmtu.Path {
	p := pmtu.New(h.params.MTU, h.params.IPHeader)
	p.SetPeerMSS(h.peerMSS)
	return p
}

// State returns the state, which requires an action of the driver:
//
//   - SynReceived: the driver keeps the Handshake, calls Transmit and observes its Deadline.
//   - Established: the segment just received completes the handshake. The driver calls Establish and passes the same
//     segment to the new Conn. If it has no room for another connection, it does nothing, as if the segment had been
//     lost.
//   - Closed: the driver drops the Handshake after Transmit has returned false.
func (h *Handshake) State() State { return h.state }

// ISS and IRS return the initial send and receive sequence numbers.
func (h *Handshake) ISS() uint32 { return h.params.ISS }
func (h *Handshake) IRS() uint32 { return h.irs }

// Deadline returns the time by which Advance must be called.
func (h *Handshake) Deadline() Time {
	if h.held != nil {
		return h.held.Deadline()
	}
	return min(h.deadline, h.giveUp)
}

// Advance retransmits the SYN-ACK, or gives up (MUST-22, MUST-23).
func (h *Handshake) Advance(now Time) {
	switch {
	case h.held != nil:
		if h.held.Advance(now) {
			h.end()
		}
	case now >= h.giveUp:
		h.end()
	case now >= h.deadline:
		h.deadline = Never
		if h.retransmits == maxSYNACKRetransmits {
			h.end()
			return
		}
		h.retransmits++
		h.synAckDue = true
	}
}

// maxSYNACKRetransmits is the number of times that a SYN-ACK is retransmitted without a reply.
//
// Deviation: with the first timeout of 1 s the Handshake ends after 63 s, not after 3 minutes (MUST-23), as on Linux. A
// forged SYN makes the listener send six segments to the host that it names (RFC 4987 3).
const maxSYNACKRetransmits = 5

// Receive processes a segment from the peer (RFC 9293 3.10.7.4 for SYN-RECEIVED).
func (h *Handshake) Receive(now Time, s *Segment) Verdict {
	if h.state == Closed {
		return VerdictIgnored
	}
	if h.held != nil {
		return h.receiveHeld(now, s)
	}
	h.state = SynReceived // the driver has not called Establish after an earlier segment
	at := seq.Unwrap(h.irs, 1, s.TCP.Seq)
	f := s.TCP.Flags
	if at == 0 && f.Has(wire.SYN) && !f.Has(wire.ACK) && !f.Has(wire.RST) {
		if h.receivedSYN(s) {
			return VerdictReset
		}
		if h.challenge.Allow(now, f) {
			h.synAckDue = true // the SYN-ACK has been lost
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
		h.ackDue = h.challenge.Allow(now, f)
		return VerdictChallenged
	}
	if !f.Has(wire.ACK) {
		return VerdictBadACK
	}
	if s.TCP.Ack != h.params.ISS+1 {
		h.resetDue, h.resetSeq = true, s.TCP.Ack
		return VerdictBadACK
	}
	h.state = Established
	return VerdictAccepted
}

// check performs the first step: the timestamp and the sequence number must be acceptable. A segment without
// timestamps is acceptable, as in [Conn.checkTimestamp].
func (h *Handshake) check(now Time, s *Segment, at seq.Offset) Verdict {
	reset := s.TCP.Flags.Has(wire.RST)
	if o := &s.TCP.Options; h.timestamps && o.HasTimestamps && !reset && seq.Less(o.TSVal, h.ts.Recent) {
		h.ackDue = h.challenge.Allow(now, s.TCP.Flags)
		return VerdictOldTimestamp
	}
	if end := at + s.length(); end < 1 || at >= 1+seq.Offset(synWindow(h.cfg)) || at < 1 && end <= 1 {
		if !reset {
			h.ackDue = h.challenge.Allow(now, s.TCP.Flags)
		}
		return VerdictOutOfWindow
	}
	return VerdictAccepted
}

// receiveReset performs the second step: a RST at exactly RCV.NXT returns the listener to LISTEN (RFC 5961 3.2).
func (h *Handshake) receiveReset(now Time, at seq.Offset) Verdict {
	if at != 1 {
		h.ackDue = h.challenge.Allow(now, wire.RST)
		return VerdictChallenged
	}
	h.end()
	return VerdictReset
}

// Establish returns the connection in SYN-RECEIVED. The driver passes it the segment that completes the handshake.
// After Release the Handshake need not have sent the SYN-ACK: the connection sends it then.
func (h *Handshake) Establish(now Time) *Conn {
	c := newConn(now, h.cfg, h.params)
	c.setState(SynReceived)
	c.path.SetPeerMSS(h.peerMSS)
	c.snd.scale, c.rcv.scale = h.sendScale, h.scale
	c.snd.wnd = window.FromSYN(h.peerWindow)
	c.rcv.irs = h.irs
	c.rcv.buf = buffer.ReceiveAt(1)
	c.rcv.wnd.Edge = 1 + seq.Offset(synWindow(h.cfg))
	c.rcv.wnd.LastACK = 1
	c.rcv.segmentSize = delack.UnknownSize()
	c.timestamps, c.ts = h.timestamps, h.ts
	c.sack = h.sack
	c.adoptECN(h)
	c.timeouts = uint32(h.retransmits)
	c.active.timer.giveUp = h.giveUp
	if !h.sent {
		return c // whose first Transmit sends the SYN-ACK
	}
	c.snd.nxt, c.snd.max = 1, 1
	if h.retransmits == 0 && h.sentAt != Never {
		c.active.timing.Start(h.sentAt, 1)
	}
	c.active.timer.retransmit = h.deadline
	c.armRetransmit(now)
	return c
}

// Transmit builds the next segment; see [Conn.Transmit].
func (h *Handshake) Transmit(now Time, _ int, out *Outgoing) bool {
	switch {
	case h.resetDue:
		h.resetDue = false
		out.reset(wire.RST)
		out.TCP.Seq = h.resetSeq
		if h.ecn.Conflict() {
			out.TCP.Flags |= wire.ACK
			out.TCP.Ack = h.irs + 1
		}
		return true
	case h.state == Closed:
		return false
	case h.held != nil:
		return h.transmitHoldProbe(out)
	case h.synAckDue:
		h.synAckDue, h.ackDue = false, false
		h.synAck(now, out)
		return true
	case h.ackDue:
		h.ackDue = false
		out.reset(wire.ACK)
		if h.ecn.Accurate() {
			out.TCP.Flags |= accecn.InitialACE() // the field is a counter in all segments after the SYN-ACK (RFC 9768 3.2.2)
		}
		out.TCP.Seq, out.TCP.Ack = h.params.ISS+1, h.irs+1
		out.TCP.Window = uint16(synWindow(h.cfg) >> h.scale)
		h.addTimestamp(now, &out.TCP.Options)
		out.Note = NoteChallenge
		return true
	}
	return false
}

func (h *Handshake) synAck(now Time, out *Outgoing) {
	if h.sent {
		h.retransmits = max(h.retransmits, 1) // the RTT of a retransmitted SYN-ACK is ambiguous
	}
	out.reset(h.ecn.Offer(wire.SYN|wire.ACK, h.cfg.ECN, h.retransmits))
	out.TCP.Seq, out.TCP.Ack = h.params.ISS, h.irs+1
	out.TCP.Window = uint16(synWindow(h.cfg))
	o := &out.TCP.Options
	path := h.path()
	o.MSS = path.AnnouncedMSS()
	o.SACKPermitted = h.sack
	o.HasWindowScale, o.WindowScale = h.scaled, h.scale
	h.addTimestamp(now, o)
	if h.cookie != nil {
		o.FastOpen, h.cookie = *h.cookie, nil
	}
	if h.sent {
		out.Note = NoteRetransmission
	} else if h.ecn.Accurate() {
		o.AccECN = accecn.Intro(o.Room())
	}
	h.sent, h.sentAt = true, now
	h.deadline = now.Add(h.synAckTimeout())
}

// synAckTimeout returns the time until the SYN-ACK is sent again.
func (h *Handshake) synAckTimeout() time.Duration {
	estimator := rtt.Estimator{Backoff: uint8(min(h.retransmits, rtt.MaxBackoff))}
	return estimator.Timeout(h.cfg.rtoLimits())
}

func (h *Handshake) addTimestamp(now Time, o *wire.Options) {
	if h.timestamps {
		o.HasTimestamps, o.TSVal, o.TSEcr = true, h.ts.Clock(now), h.ts.Recent
	}
}
