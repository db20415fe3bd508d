package conn

import (
	"minitcp/conn/buffer"
	"minitcp/conn/delack"
	"minitcp/conn/seq"
	"minitcp/conn/wire"
)

// Receive processes a segment of this connection: SEGMENT ARRIVES of RFC 9293 3.10.7, in the RFC's steps and order. The
// driver has verified the checksum.
func (c *Conn) Receive(now Time, s *Segment) Verdict {
	switch c.state {
	case Closed, TimeWait:
		return VerdictIgnored // the driver has another connection, or none, for these addresses and ports
	case SynSent:
		return c.receiveSynSent(now, s)
	}
	at := seq.Unwrap(c.rcv.irs, c.rcv.nxt(), s.TCP.Seq)

	if v := c.checkTimestamp(now, s); v != VerdictAccepted {
		return v
	}
	if v := c.checkSequence(now, s, at); v != VerdictAccepted {
		if c.acknowledgesFromBehind(s, at) {
			c.receiveACK(now, s, at)
		}
		return v
	}
	if s.TCP.Flags.Has(wire.RST) {
		return c.receiveReset(now, s, at)
	}
	// Third step, security: nothing to check (RFC 9293 3.10.7.4).
	if s.TCP.Flags.Has(wire.SYN) {
		// A SYN on a synchronized connection is forged, or its sender has rebooted (RFC 5961 4.2). In SYN-RECEIVED, with the
		// number of the peer's SYN, it is a SYN-ACK that has crossed ours, and its ACK is valid.
		if c.state.synchronized() || at != 0 || !s.TCP.Flags.Has(wire.ACK) {
			return c.challengeACK(now, s)
		}
	}
	c.lastReceived = now
	c.keepAliveProbes = 0
	n := uint64(wire.Segments(len(s.Data), s.SegmentSize))
	c.stats.SegmentsReceived += n
	if len(s.Data) > 0 {
		c.stats.DataSegmentsReceived += n
	}
	if v := c.receiveACK(now, s, at); v != VerdictAccepted {
		return v
	}
	if c.accurate != nil {
		c.countCodepoint(s, int(n))
	}
	c.updateTimestamp(now, s, at)
	if c.state == Closed || c.state == TimeWait {
		return VerdictAccepted
	}
	c.takeCWR(s)
	c.receiveUrgent(s, at)
	v := c.receiveText(now, s, at)
	if len(s.Data) > 0 {
		c.lastDataReceived = now
	}
	c.receiveFIN(now)
	return v
}

// checkSequence performs the first step: part of the segment must be inside the window (RFC 9293 3.10.7.4, table 6).
func (c *Conn) checkSequence(now Time, s *Segment, at seq.Offset) Verdict {
	if c.state == SynReceived && at == 0 && s.TCP.Flags&(wire.SYN|wire.RST) == wire.SYN && (s.length() == 1 || c.early()) {
		return c.receiveSYNAgain(now, s)
	}
	nxt, edge := c.rcv.nxt(), c.rcv.wnd.Edge
	end := at + s.length()
	switch {
	case s.TCP.Flags.Has(wire.RST) && c.resetFits(at):
		return VerdictAccepted
	case at == nxt:
		// Acceptable even if the window is zero: ACK, URG and RST are processed, and data is cut off later (MUST-66).
		return VerdictAccepted
	case at > nxt && at < edge:
		return VerdictAccepted
	case at == edge && s.length() == 0 && !s.TCP.Flags.Has(wire.RST):
		// Deviation: an ACK at the right edge is accepted, as on Linux. Two ends that have each filled the other's window
		// with data that is lost would otherwise ignore each other's ACKs for ever.
		return VerdictAccepted
	case at < nxt && end > nxt && (nxt < edge || s.TCP.Flags.Has(wire.FIN) && end == nxt+1):
		// A FIN that is next in sequence is accepted even if the window is closed; see noteFIN.
		return VerdictAccepted
	}
	v := VerdictOutOfWindow
	if end <= nxt {
		v = VerdictDuplicate
		if len(s.Data) > 0 && end > nxt-seq.Offset(maxBuffer) {
			c.duplicated(at, end, s.ECN)
			if c.active != nil {
				var v delack.Values
				c.delayValues(&v)
				c.active.delay.ArrivedAgain(&v)
			}
		}
	}
	if s.TCP.Flags.Has(wire.RST) {
		return v
	}
	c.acknowledgeUnacceptable(now, s)
	if s.TCP.Flags.Has(wire.SYN|wire.ACK) && at == 0 {
		c.reflectAgain(s)
	}
	return v
}

// receiveSYNAgain processes a segment with the number of the peer's SYN in SYN-RECEIVED: that SYN again, or the SYN-ACK
// of a simultaneous open, whose ACK completes the handshake (RFC 9293 figure 7). Without an ACK, our SYN-ACK has been
// lost. It is sent again and the timer restarts, as in [Handshake], since a connection of Fast Open must not give up
// before the reply can arrive.
func (c *Conn) receiveSYNAgain(now Time, s *Segment) Verdict {
	if s.TCP.Flags.Has(wire.ACK) {
		return VerdictAccepted
	}
	if c.ecn.Received(s.TCP.Flags, s.ECN, c.cfg.ECN); c.ecn.Conflict() {
		c.abort(ErrReset)
		return VerdictReset
	}
	if c.challenge.Allow(now, s.TCP.Flags) {
		c.active.synDue = true
		c.active.timer.retransmit = now.Add(c.rto())
	}
	return VerdictDuplicate
}

// resetFits reports whether a RST at the given position ends the connection: it must be exactly at RCV.NXT (RFC 5961
// 3.2).
//
// Deviation: after the peer's FIN, the position of the FIN also fits. Darwin does not count its FIN in the RST that
// follows it. Linux has accepted that since 4.12.
func (c *Conn) resetFits(at seq.Offset) bool {
	return at == c.rcv.nxt() || c.rcv.finDone && at == c.rcv.nxt()-1
}

// receiveReset performs the second step. A RST inside the window that does not fit causes a challenge ACK (RFC 9293
// 3.10.7.4, RFC 5961 3.2).
func (c *Conn) receiveReset(now Time, s *Segment, at seq.Offset) Verdict {
	if !c.resetFits(at) {
		c.suspectFastOpen()
		return c.challengeACK(now, s)
	}
	switch c.state {
	case SynReceived:
		if c.early() {
			c.fail(ErrReset)
		} else {
			c.fail(ErrRefused) // active OPEN; a passive one is a Handshake in this state (MUST-11)
		}
	case Closing, LastAck:
		c.close() // all data has been exchanged
	case CloseWait:
		c.fail(ErrPipe) // the peer has closed and accepts no data; the error is that of Linux
	default:
		c.fail(ErrReset)
	}
	return VerdictReset
}

// receiveACK performs the fifth step.
func (c *Conn) receiveACK(now Time, s *Segment, at seq.Offset) Verdict {
	if !s.TCP.Flags.Has(wire.ACK) {
		return VerdictBadACK
	}
	ack := seq.Unwrap(c.snd.iss, c.snd.una, s.TCP.Ack)
	if c.state == SynReceived {
		if ack <= c.snd.una || ack > c.snd.max {
			c.queueReset(s.TCP.Ack, false)
			return VerdictBadACK
		}
		if s.TCP.Flags.Has(wire.SYN) {
			c.ecn.Received(s.TCP.Flags, s.ECN, c.cfg.ECN)
		}
		c.snd.wnd.Number(at, ack)
		c.fastOpenAnswered(ack, &s.TCP)
		c.establish(now)
		if c.accurate != nil {
			c.takeHandshakeACK(s)
		}
	}
	// The ACK must not be of data that was never sent, or older than the largest window (RFC 5961 5.2, MAY-12).
	if ack > c.snd.max || ack < c.snd.una-seq.Offset(c.snd.wnd.Largest) {
		c.challengeACK(now, s)
		return VerdictBadACK
	}
	before, wasClosed := c.snd.wnd.Size, c.snd.windowClosed()
	c.snd.wnd.Update(c.snd.una, at, ack, &s.TCP, c.snd.scale)
	if wasClosed {
		c.endProbes(ack)
	}
	if c.snd.una < c.snd.max || ack > c.snd.una || s.TCP.Options.SACKCount > 0 || c.active != nil && c.active.tailProbe.end != 0 {
		c.resume()
		c.takeACK(now, ack, s, before)
	}
	c.persistACK(now, wasClosed)
	// The states that wait for the ACK of our FIN are all handled here.
	if c.snd.finAcked() {
		c.finAcknowledged(now)
	}
	return VerdictAccepted
}

// finAcknowledged leaves the states that wait for the ACK of our FIN.
func (c *Conn) finAcknowledged(now Time) {
	switch c.state {
	case FinWait1:
		c.setState(FinWait2)
		c.armOrphan(now)
	case Closing:
		c.enterTimeWait()
	case LastAck:
		c.close()
	}
}

// receiveText performs the seventh step, for data. The parts outside the window are cut off.
func (c *Conn) receiveText(now Time, s *Segment, at seq.Offset) Verdict {
	data := s.Data
	if s.TCP.Flags.Has(wire.SYN) {
		at++ // the data follows the SYN
	}
	end := at + seq.Offset(len(data))
	if s.TCP.Flags.Has(wire.FIN) && c.state.mayReceive() {
		c.noteFIN(now, s, end)
	}
	if len(data) == 0 && !s.TCP.Flags.Has(wire.FIN) {
		return VerdictAccepted
	}
	if !c.state.mayReceive() {
		return VerdictIgnored // after the peer's FIN: "should not occur"
	}
	if len(data) == 0 {
		if end > c.rcv.buf.Next() {
			return VerdictOutOfOrder // data before it is missing
		}
		return VerdictAccepted
	}
	if end <= c.rcv.buf.Next() {
		c.acknowledgeUnacceptable(now, s)
		return VerdictDuplicate
	}
	c.resume()
	if c.orphan {
		una, fin := c.snd.una, c.snd.buf.End()
		c.abort(ErrAborted) // the data will never be read (RFC 9293 3.6.1, SHLD-3)
		if una == fin {
			c.resetSeq = seq.Wire(c.snd.iss, fin) // the peer had not got the FIN
		}
		return VerdictAfterClose
	}
	if limit := min(c.rcv.wnd.Edge, c.rcv.finAt); end > limit {
		end = limit
		if end <= max(at, c.rcv.buf.Next()) {
			c.acknowledgeUnacceptable(now, s)
			return VerdictOutOfWindow
		}
		data = data[:end-at]
	}
	c.takeMark(s)
	c.tuneReceive(now, s)
	return c.takeData(now, at, data, s)
}

// takeData stores acceptable data.
func (c *Conn) takeData(now Time, at seq.Offset, data []byte, s *Segment) Verdict {
	b := &c.rcv.buf
	before := b.Next()
	switch n := c.keepable(at, len(data)); n {
	case len(data):
	case 0:
		c.acknowledgeUnacceptable(now, s)
		return VerdictNoMemory
	default:
		data, s.Buffer = data[:n], nil // too little to retain a buffer
	}
	hadHoles := len(b.OutOfOrder()) > 0
	switch end := at + seq.Offset(len(data)); {
	case at < before:
		c.duplicated(at, before, s.ECN)
	case hadHoles:
		again := b.OutOfOrder().Overlap(at, end) // the first range that is a duplicate (RFC 2883 4)
		c.duplicated(again.Start, again.End, s.ECN)
	}
	var placed buffer.Range
	ok := true
	if s.Retained = s.Buffer != nil && b.Retain(at, data, s.Buffer); !s.Retained {
		placed, ok = b.Insert(c.cfg.Pool, at, data)
	}
	switch {
	case !ok:
		c.acknowledgeUnacceptable(now, s)
		return VerdictOutOfWindow
	case placed != buffer.Range{}:
		c.active.recent.Add(placed)
		c.stats.OutOfOrder++
		c.acknowledgeNow(NoteDuplicateACK) // at once: duplicate ACKs make the peer detect the loss (MAY-13, RFC 5681 4.2)
		return VerdictOutOfOrder
	}
	n := int(b.Next() - before)
	c.stats.Received += uint64(n)
	if c.rcv.discard {
		b.Skip(c.cfg.Pool, b.Readable())
	}
	if hadHoles {
		c.acknowledgeNow(NoteNone) // a gap has been filled (RFC 5681 4.2)
	}
	c.acknowledgeData(now, n, s)
	return VerdictAccepted
}

// noteFIN records the position of the peer's FIN, unless data from beyond it has already arrived and been acknowledged.
//
// Deviation: a FIN at the right edge of the window, where RFC 9293 3.10.7.4 has no room for its sequence number, is
// accepted. It needs no memory, and a peer that has filled the window may send it and close (macOS repeats it on every
// ACK).
func (c *Conn) noteFIN(now Time, s *Segment, at seq.Offset) {
	if at >= c.rcv.buf.End() && at <= c.rcv.wnd.Edge {
		c.rcv.finAt = min(c.rcv.finAt, at)
	}
	if early := at > c.rcv.buf.Next() && len(s.Data) == 0; early || c.rcv.finAt != at {
		c.acknowledgeUnacceptable(now, s)
	}
}

// receiveFIN performs the eighth step. The FIN takes effect when all data before the FIN has arrived, in any order.
func (c *Conn) receiveFIN(now Time) {
	if c.rcv.finDone || c.rcv.buf.Next() != c.rcv.finAt || !c.state.mayReceive() {
		return
	}
	c.rcv.finDone = true
	c.acknowledgeNow(NoteNone)
	switch c.state {
	case Established:
		c.setState(CloseWait)
	case FinWait1:
		c.setState(Closing) // our FIN is not acknowledged, or the state would be FIN-WAIT-2
	case FinWait2:
		c.enterTimeWait()
	}
}

// enterTimeWait enters TIME-WAIT. The last ACK is still to be sent; [Conn.TimeWait] has the rest.
func (c *Conn) enterTimeWait() {
	c.fastOpenEnds()
	c.setState(TimeWait)
	c.endBulk()
	c.stopTimers()
	c.snd.buf.Discard(c.cfg.Pool)
}
