package conn

import (
	"time"

	"minitcp/conn/seq"
	"minitcp/conn/wire"
)

// Transmit builds the next segment into out and returns true, or returns false if there is nothing to send. The driver
// calls it until it returns false. limit is the largest number of data bytes in a segment; above the MSS, it permits
// GSO packets.
//
// The segment counts as sent.
func (c *Conn) Transmit(now Time, limit int, out *Outgoing) bool {
	if !c.transmit(now, limit, out) {
		if c.active != nil {
			c.accountTime(now)
			c.armIdle(now)
		}
		return false
	}
	if out.TCP.Flags&(wire.SYN|wire.RST) == 0 {
		c.announce(now, out)
	}
	n := uint64(wire.Segments(out.Len, out.SegmentSize))
	if n > 1 {
		out.TCP.Flags |= wire.PSH // as on Linux: a receiver that joins segments need not wait for more
	}
	c.stats.SegmentsSent += n
	if out.Len > 0 {
		c.stats.DataSegmentsSent += n
	}
	return true
}

func (c *Conn) transmit(now Time, limit int, out *Outgoing) bool {
	if c.resetDue {
		c.buildReset(now, out)
		return true
	}
	switch c.state {
	case Closed, Listen:
		return false
	case SynSent, SynReceived:
		if c.transmitSYN(now, out) {
			return true
		}
		if !c.early() {
			return false
		}
	case TimeWait:
		return c.transmitACK(now, out)
	}
	if c.accurate != nil {
		if c.accurate.Reflects {
			c.transmitReflection(now, out)
			return true
		}
		limit = c.accurateLimit(limit)
	}
	limit = min(limit, int(c.snd.wnd.Largest)/2) // as on Linux: PSH ends a GSO packet, see push
	if c.active == nil {
		if c.snd.nxt == c.snd.end() {
			return c.transmitACK(now, out)
		}
		c.resume()
	}
	if c.active.tailProbe.due && c.transmitTailProbe(now, out) { // RFC 8985 7.3
		return true
	}
	if c.active.recovery.frtoNewSegments > 0 && c.transmitFRTO(now, limit, out) { // new before lost data (RFC 5682 2.1)
		return true
	}
	if c.transmitLost(now, limit, out) { // lost data before new data (RFC 6675 5, NextSeg)
		return true
	}
	if c.transmitNew(now, limit, out) { // RFC 9293 3.8.6.2.1
		return true
	}
	return c.transmitACK(now, out) // only if no segment with data carries the ACK (RFC 9293 3.8.6.3)
}

// buildReset builds the RST of an aborted connection. It has no window. It has timestamps if they were agreed on, so
// that PAWS does not drop it (RFC 7323 3.2), unless it is the reply to a segment of another connection.
func (c *Conn) buildReset(now Time, out *Outgoing) {
	c.resetDue = false
	out.reset(wire.RST)
	out.TCP.Seq = c.resetSeq
	if c.resetAck {
		out.TCP.Flags |= wire.ACK
		if c.snd.max > 0 { // otherwise the handshake has agreed to nothing
			out.TCP.Flags |= c.feedback()
		}
		out.TCP.Ack = seq.Wire(c.rcv.irs, c.rcv.nxt())
		c.addTimestamp(now, &out.TCP.Options)
	}
}

// addTimestamp adds timestamps to the options of a segment after the SYN, if they were agreed on.
func (c *Conn) addTimestamp(now Time, o *wire.Options) {
	if c.timestamps {
		o.HasTimestamps, o.TSVal, o.TSEcr = true, c.timestamp(now), c.ts.Recent
	}
}

// transmitSYN sends the SYN, or the SYN-ACK of a simultaneous open or of Fast Open, if it is due.
func (c *Conn) transmitSYN(now Time, out *Outgoing) bool {
	if c.AwaitsData() {
		return false
	}
	if c.snd.max > 0 && !c.active.synDue {
		if c.state == SynReceived && c.ack.due && !c.early() {
			c.header(now, out, 0, 1)
			out.Note = c.ack.note
			return true
		}
		return false
	}
	c.synHeader(now, out)
	data := c.fastOpenSYN(now, out)
	if c.timeouts == 0 {
		c.active.timing.Start(now, 1)
	}
	if c.timeouts > 0 || c.active.synRepeated && c.state == SynSent {
		out.Note = NoteRetransmission
		c.stats.Retransmitted++
	}
	c.active.synDue = false
	c.snd.nxt = max(c.snd.nxt, 1+data)
	c.snd.max = max(c.snd.max, c.snd.nxt)
	c.acknowledged()
	c.armRetransmit(now)
	return true
}

// transmitNew sends the next segment at SND.NXT: new data, data after a timeout, a FIN, or a window probe.
func (c *Conn) transmitNew(now Time, limit int, out *Outgoing) bool {
	s := &c.snd
	if s.nxt >= s.end() && !s.windowProbe {
		c.active.pacer.Waiting = c.active.pacer.Waiting && c.active.sent.Lost() > 0
		c.active.waiting.windowLimited = false
		return false
	}
	if c.active.timer.ecnPause != Never {
		return false
	}
	if c.ecn.cwr && s.nxt == s.max {
		limit = 0 // only the first segment has CWR, so it is not part of a GSO packet
	}
	if c.active.sent.Empty() && c.active.sent.Limited() {
		c.active.cc.OnRestart(time.Duration(now))
	}
	if c.active.sent.Empty() && c.lastSent != 0 && now.Sub(c.lastSent) > c.rto() {
		c.active.cc.OnIdle()
		c.lastSent = now
	}
	c.header(now, out, 0, s.nxt)
	size, limit, probe := c.segmentSize(limit, out)
	n, verdict := c.sendLimit(size, limit, c.paceRoom(now, size))
	c.active.waiting.windowLimited = verdict == sendWhenWindow
	c.active.pacer.Waiting = c.active.pacer.Waiting && verdict == sendData
	switch verdict {
	case sendNothing:
		return false
	case sendWhenPaced:
		c.holdBack()
		return false
	case sendWhenWindow:
		if s.una == s.max {
			c.armRetransmit(now) // as persist timer
		}
		return false
	case sendWindowProbe:
		s.windowProbe = false
		n = min(1, int(s.buf.End()-s.nxt))
		c.emit(out, s.nxt, n)
		out.Note = NoteWindowProbe
		s.max = max(s.max, s.nxt+seq.Offset(n)+finLen(out))
		return true
	}
	s.overrideSWS = false
	at := s.nxt
	c.transmitNext(now, out, n, size)
	if probe {
		c.path.Probed(at, s.nxt)
		out.Note = NoteMTUProbe
	}
	return true
}

// transmitNext sends n bytes at SND.NXT, and the FIN if it is next.
func (c *Conn) transmitNext(now Time, out *Outgoing, n, size int) {
	s := &c.snd
	if n > size {
		out.SegmentSize = size
	}
	at := s.nxt
	if s.una == s.max { // the timer may be running as persist timer; it restarts for this segment (RFC 6298 5.1)
		c.active.timer.retransmit, c.active.timer.giveUp = Never, Never
	}
	if n > 0 && at == s.max {
		c.replied(now)
	}
	c.emit(out, at, n)
	c.countData(out, at, n)
	c.push(out, size)
	c.lastSent = now
	s.nxt = at + seq.Offset(n) + finLen(out)
	again := at < s.max
	if again {
		out.Note = NoteRetransmission
		c.active.timing.Cancel(now)
	} else if s.nxt > at {
		c.active.timing.Start(now, s.nxt)
		c.allowMarks(out)
	}
	if s.nxt > at {
		t := c.sent(now, size)
		t.Retransmitted, t.Pushed = again, out.TCP.Flags.Has(wire.PSH)
		c.active.sent.Push(at, s.nxt, &t)
	}
	s.max = max(s.max, s.nxt)
	if n%size != 0 && !again {
		c.active.subMSS = s.nxt
	}
	c.active.recovery.prr.OnSent(int64(n))
	c.active.pacer.OnSent(int64(n), c.pacingRate())
	c.active.recovery.frtoNewSegments = max(0, c.active.recovery.frtoNewSegments-int8(min(wire.Segments(n, size), frtoSegments)))
	c.armRetransmit(now)
	c.armTailProbe(now)
}

// push sets PSH in a segment of new data if more than half of the peer's largest window has been sent since the last
// PSH, as Linux does. A receiver that waits for PSH then never waits with a full buffer. The distance is a multiple of
// Linux's packets, which are as large as fits half of the window: the first that ends beyond half of it has PSH.
func (c *Conn) push(out *Outgoing, size int) {
	half := int(c.snd.wnd.Largest) / 2
	packet := max(1, min(half, maxGSO)/size) * size
	c.active.unpushed += int32(out.Len)
	if out.Len > 0 && int(c.active.unpushed) >= (half/packet+1)*packet {
		out.TCP.Flags |= wire.PSH
	}
	if out.TCP.Flags.Has(wire.PSH) {
		c.active.unpushed = 0
	}
}

// maxGSO is the largest number of data bytes in a GSO packet.
const maxGSO = 65535 - 60 - 60

// roomBeside returns the number of data bytes that fit into one segment with out's options (MUST-16).
func (c *Conn) roomBeside(out *Outgoing) int { return c.path.SendMSS() - out.TCP.Options.Len() }

// emit puts n bytes of data from at into out, with the FIN if it is next, and with PSH if no data follows (MUST-61).
func (c *Conn) emit(out *Outgoing, at seq.Offset, n int) {
	s := &c.snd
	out.Data = s.buf.Slices(out.Data, at, n)
	out.Len = n
	end := at + seq.Offset(n)
	if n > 0 && end == s.buf.End() {
		out.TCP.Flags |= wire.PSH
	}
	// The FIN has a sequence number, so it must be inside the window, unless the segment is a probe.
	if s.finQueued && end == s.buf.End() && (end < s.wnd.Edge || n == 0) {
		out.TCP.Flags |= wire.FIN
	}
	c.urgentHeader(out, at)
	if c.accurate != nil && at < s.max {
		c.accurate.Resent(out.TCP.Seq, n)
	}
	c.active.tsval.Last = out.TCP.Options.TSVal
}

// countData counts the n bytes of data from at that emit has put into out.
func (c *Conn) countData(out *Outgoing, at seq.Offset, n int) {
	again := max(0, min(n, int(c.snd.max-at))) // a GSO packet may begin with data sent before and end with new data
	c.stats.Sent += uint64(n - again)
	c.stats.Resent += uint64(again)
	if at < c.snd.max {
		c.stats.Retransmitted += uint64(wire.Segments(again, out.SegmentSize))
	}
}

func finLen(out *Outgoing) seq.Offset {
	if out.TCP.Flags.Has(wire.FIN) {
		return 1
	}
	return 0
}

// transmitACK sends a segment without data: an ACK that is due, or a keep-alive probe.
func (c *Conn) transmitACK(now Time, out *Outgoing) bool {
	switch {
	case c.ack.due:
		c.header(now, out, 0, c.snd.next())
		out.Note = c.ack.note
		return true
	case c.takeKeepAlive():
		// The probe has an old sequence number and no data, so a peer that still has the connection replies with an ACK (RFC
		// 9293 3.8.4, SHLD-12).
		c.header(now, out, 0, c.snd.una-1)
		out.Note = NoteKeepAlive
		return true
	}
	return false
}

// header puts the numbers, timestamps and SACK blocks of a segment after the SYN into out. It changes nothing else,
// since the segment may not be sent. [Conn.announce] adds the window.
func (c *Conn) header(now Time, out *Outgoing, flags wire.Flags, at seq.Offset) {
	out.reset(flags | wire.ACK | c.feedback())
	out.MayFragment = c.path.MayFragment()
	out.TCP.Seq = seq.Wire(c.snd.iss, at)
	out.TCP.Ack = seq.Wire(c.rcv.irs, c.rcv.nxt())
	c.addTimestamp(now, &out.TCP.Options)
	if c.sack {
		c.sackBlocks(&out.TCP.Options)
	}
	if c.accurate != nil && at >= c.snd.max {
		c.addCounters(now, &out.TCP.Options)
	}
}
