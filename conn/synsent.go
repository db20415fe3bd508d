package conn

import (
	"minitcp/conn/accecn"
	"minitcp/conn/buffer"
	"minitcp/conn/delack"
	"minitcp/conn/seq"
	"minitcp/conn/window"
	"minitcp/conn/wire"
)

// receiveSynSent processes a segment in SYN-SENT (RFC 9293 3.10.7.3).
func (c *Conn) receiveSynSent(now Time, s *Segment) Verdict {
	f := s.TCP.Flags
	// First: an ACK must be for our SYN, the only segment sent so far, or for a part of its data.
	ack := seq.Unwrap(c.snd.iss, 1, s.TCP.Ack)
	if f.Has(wire.ACK) && (ack < 1 || ack > c.snd.max) {
		if !f.Has(wire.RST) {
			c.queueReset(s.TCP.Ack, false)
			c.repeatSYN(now)
		}
		return VerdictBadACK
	}
	// Second: a RST counts only if it acknowledges our SYN.
	if f.Has(wire.RST) {
		if !f.Has(wire.ACK) {
			return VerdictIgnored
		}
		c.fail(ErrRefused)
		return VerdictReset
	}
	// Fourth: the SYN.
	if !f.Has(wire.SYN) {
		return VerdictIgnored
	}
	c.acceptSYN(now, s)
	c.lastReceived = now
	if !f.Has(wire.ACK) {
		// Simultaneous open: the SYNs have crossed (MUST-10). The timer continues, now for a SYN-ACK.
		// Data in our SYN is sent again in ESTABLISHED, unless an ACK covers it.
		c.setState(SynReceived)
		c.snd.nxt = min(c.snd.nxt, 1)
		c.active.synDue = true
		c.active.timing.Cancel(now)
		return VerdictAccepted
	}
	c.snd.wnd.Update(0, 0, ack, &s.TCP, c.snd.scale)
	c.snd.nxt = ack
	c.fastOpenAnswered(ack, &s.TCP)
	c.establish(now)
	c.slowAfterMark(s)
	c.takeACK(now, ack, s, c.snd.wnd.Size)
	c.acknowledgeNow(NoteNone)
	c.receiveUrgent(s, 0)
	v := c.receiveText(now, s, 0)
	c.receiveFIN(now)
	return v
}

// repeatSYN sends the SYN again after a RST, once. An ACK of other data in reply to the SYN comes from a connection
// that the peer still has, such as one in TIME-WAIT, and the RST ends that connection. The second SYN need not wait for
// the retransmission timeout. Since the first one has been answered, the round trip of the second is measured.
func (c *Conn) repeatSYN(now Time) {
	if c.active.synRepeated || c.snd.max == 0 || c.timeouts > 0 {
		return
	}
	c.active.synRepeated, c.active.synDue = true, true
	c.active.timing.Cancel(now)
}

// acceptSYN takes the peer's initial sequence number, window and options from its SYN or SYN-ACK.
func (c *Conn) acceptSYN(now Time, s *Segment) {
	h := &s.TCP
	c.rcv.irs = h.Seq
	c.rcv.buf = buffer.ReceiveAt(1)
	c.rcv.wnd.Edge = 1 + seq.Offset(synWindow(c.cfg))
	c.rcv.segmentSize = delack.UnknownSize()

	o := &h.Options
	c.path.SetPeerMSS(o.MSS)
	c.timestamps = c.timestamps && o.HasTimestamps
	if c.timestamps {
		c.ts.Take(now, o.TSVal)
	}
	c.sack = c.sack && o.SACKPermitted
	c.ecn.Received(h.Flags, s.ECN, c.cfg.ECN)
	c.enterAccurate(s)
	if c.cfg.WindowScale == Enabled && o.HasWindowScale {
		c.snd.scale = o.WindowScale
	} else {
		c.snd.scale, c.rcv.scale = 0, 0
	}
	c.snd.wnd = window.FromSYN(h.Window)
}

// synWindow returns the window field of the SYN, which cannot be scaled.
func synWindow(cfg *Config) int { return min(cfg.ReceiveBuffer, window.MaxField) }

// synHeader builds a SYN or SYN-ACK. Before a SYN-ACK, the peer's options must have been processed.
func (c *Conn) synHeader(now Time, out *Outgoing) {
	out.reset(wire.SYN)
	out.TCP.Seq = c.snd.iss
	out.TCP.Window = uint16(synWindow(c.cfg))
	o := &out.TCP.Options
	o.MSS = c.path.AnnouncedMSS()
	o.SACKPermitted = c.sack
	if c.timestamps {
		o.HasTimestamps, o.TSVal, o.TSEcr = true, c.clock(now), c.ts.Recent
	}
	if c.rcv.scale > 0 {
		o.HasWindowScale, o.WindowScale = true, c.rcv.scale
	}
	if c.state == SynReceived {
		out.TCP.Flags |= wire.ACK
		out.TCP.Ack = seq.Wire(c.rcv.irs, c.rcv.nxt())
		out.TCP.Window = c.synACKWindow()
		c.rcv.wnd.LastACK = c.rcv.nxt()
		c.fastOpenCookie(o)
	}
	out.TCP.Flags = c.ecn.Offer(out.TCP.Flags, c.cfg.ECN, int(c.timeouts))
	if c.state == SynReceived && c.ecn.Accurate() && c.timeouts == 0 {
		o.AccECN = accecn.Intro(o.Room())
	}
}
