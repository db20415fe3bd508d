package conn

import (
	"time"

	"minitcp/conn/seq"
	"minitcp/conn/wire"
)

// tsRecentValid is the time for which TS.Recent is valid: a 1 ms clock has wrapped half of its range after 24 days (RFC
// 7323 5.5).
const tsRecentValid = 24 * 24 * time.Hour

// checkTimestamp applies PAWS: it refuses a segment whose timestamp is older than one already accepted, even if its
// sequence number is acceptable (RFC 7323 5.3).
//
// Deviation: a segment without timestamps is accepted, though RFC 7323 3.2 drops it. Windows and Apple TV send
// keep-alives without them, and some firewalls remove them in the middle of a connection. Linux and FreeBSD accept such
// segments too.
func (c *Conn) checkTimestamp(now Time, s *Segment) Verdict {
	o := &s.TCP.Options
	if !c.timestamps || !o.HasTimestamps || s.TCP.Flags.Has(wire.RST) {
		return VerdictAccepted
	}
	if seq.Less(o.TSVal, c.tsRecent) && now.Sub(c.tsRecentAt) < tsRecentValid {
		c.acknowledgeUnacceptable(now, s)
		return VerdictOldTimestamp
	}
	return VerdictAccepted
}

// updateTimestamp records the timestamp to echo: that of the segment with the byte last acknowledged. The measured time
// then includes delayed ACKs, and distinguishes retransmissions (RFC 7323 4.3).
func (c *Conn) updateTimestamp(now Time, s *Segment, at seq.Offset) {
	if !c.timestamps || !s.TCP.Options.HasTimestamps || at > c.rcv.lastACK {
		return
	}
	v := s.TCP.Options.TSVal
	if !seq.Less(v, c.tsRecent) || now.Sub(c.tsRecentAt) >= tsRecentValid { // too old to compare with (RFC 7323 5.5)
		c.tsRecent, c.tsRecentAt = v, now
	}
}

// echoedRTT returns the round-trip time by the echoed timestamp (RFC 7323 4.1), at least 1 ms. It serves when a
// retransmission has cancelled the local measurement.
//
// An echo from before the last retransmission has two possible causes: a slow path, or a peer that has all data and
// whose ACK was lost, as a receiver does not take timestamps from duplicates. In the second case the time includes the
// local timeout, and each use of it would increase the next timeout. Such a peer reports the duplicate if it can
// (D-SACK). From a peer without SACK, the echo counts only if it follows the retransmission sooner than the shortest
// round trip.
func (c *Conn) echoedRTT(now Time, s *Segment, a *arrival) (time.Duration, bool) {
	o := &s.TCP.Options
	if !c.timestamps || !o.HasTimestamps || o.TSEcr == 0 {
		return 0, false
	}
	ms := int32(c.clock(now) - o.TSEcr)
	if ms < 0 || time.Duration(ms)*time.Millisecond > now.Sub(0) {
		return 0, false // no value of this connection
	}
	if c.active.tsval.frozen && o.TSEcr == c.active.tsval.frozenAt {
		return a.RTT(), a.RTT() != 0 && !a.Newest.Retransmitted() // Karn's algorithm: many segments have this value
	}
	old := c.active.timing.LastRetransmission != 0 && seq.Less(o.TSEcr, c.clock(c.active.timing.LastRetransmission))
	if old && (a.duplicated > 0 || !c.sack) && now.Sub(c.active.timing.LastRetransmission) >= c.rtt.Min {
		return 0, false
	}
	return max(time.Duration(ms), 1) * time.Millisecond, true
}

// tsval is the TSVal of the segments sent. It never decreases.
type tsval struct {
	last     uint32 // TSVal of the last segment sent
	frozenAt uint32 // last value at which the clock was stopped
	frozen   bool   // the clock has been stopped
}

// maxTimestampHold is the longest time in milliseconds for which the TSVal is constant: the slowest clock that RFC 7323
// 4.1 permits ticks once a second.
const maxTimestampHold = 1000

// timestamp returns the TSVal of a segment sent now.
//
// On a path that reorders segments the TSVal is constant during loss recovery. A retransmission that fills a gap makes
// its TSVal the least the receiver accepts (RFC 7323 5.3). With a running clock the receiver discards each earlier
// segment that the retransmission has overtaken, and each of these needs a retransmission too. If a retransmission
// overtakes more than one segment on average, recovery never ends.
func (c *Conn) timestamp(now Time) uint32 {
	v := c.clock(now)
	if c.active == nil {
		return v
	}
	t := &c.active.tsval
	if c.active.recovery.phase == noRecovery || c.reordering.Seen == 0 || v == t.last || v-t.last > maxTimestampHold {
		return v
	}
	t.frozenAt, t.frozen = t.last, true
	return t.last
}

// startTimestamp advances the TSVal at the beginning of an episode, so that its retransmissions differ from the
// segments sent before (RFC 3522 3.2).
func (c *Conn) startTimestamp(now Time) { c.active.tsval.last = c.clock(now) }

// clock returns the local timestamp clock in milliseconds (RFC 7323 4.1).
func (c *Conn) clock(now Time) uint32 { return timestampClock(now, c.tsOffset) }

func timestampClock(now Time, offset uint32) uint32 {
	return uint32(int64(now)/int64(time.Millisecond)) + offset
}
