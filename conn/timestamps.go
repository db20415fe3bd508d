package conn

import (
	"time"

	"minitcp/conn/seq"
	"minitcp/conn/wire"
)

// tsRecentValid is how long TS.Recent may be compared with: after 24 days a 1 ms clock has run half around (RFC 7323 5.5).
const tsRecentValid = 24 * 24 * time.Hour

// checkTimestamp applies PAWS: it refuses a segment whose timestamp is older than one already accepted, even if its
// sequence number is acceptable (RFC 7323 5.3).
//
// Deviation: a segment without timestamps is accepted, though RFC 7323 3.2 drops it. Windows and Apple TV send keep-alives
// without them, and some firewalls remove them in mid-connection; Linux and FreeBSD accept such segments, too.
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

// updateTimestamp records the timestamp to echo: that of the segment that holds the byte last acknowledged, so that the
// measured time includes delayed ACKs and tells retransmissions apart (RFC 7323 4.3).
func (c *Conn) updateTimestamp(now Time, s *Segment, at seq.Offset) {
	if !c.timestamps || !s.TCP.Options.HasTimestamps || at > c.rcv.lastACK {
		return
	}
	v := s.TCP.Options.TSVal
	if !seq.Less(v, c.tsRecent) || now.Sub(c.tsRecentAt) >= tsRecentValid { // too old to compare with (RFC 7323 5.5)
		c.tsRecent, c.tsRecentAt = v, now
	}
}

// echoedRTT is the round-trip time the timestamps tell, for when a retransmission spoiled our own measurement
// (RFC 7323 4.1). It is as coarse as the clock: at least 1 ms.
//
// An echo from before the last retransmission comes either from a slow path, or from a peer that had it all and whose
// ACK got lost: it does not take the timestamp of what it has already. The time that passed then is that of our own
// timeout, and believing it would make that longer every time. Such a peer says that it has it twice, if it can (D-SACK);
// from one that cannot, the echo counts only if it came sooner after the retransmission than anything can.
func (c *Conn) echoedRTT(now Time, s *Segment, a *arrival) (time.Duration, bool) {
	o := &s.TCP.Options
	if !c.timestamps || !o.HasTimestamps || o.TSEcr == 0 {
		return 0, false
	}
	ms := int32(c.clock(now) - o.TSEcr)
	if ms < 0 || time.Duration(ms)*time.Millisecond > now.Sub(0) {
		return 0, false // not a value we ever sent
	}
	if c.active.stamp.frozen && o.TSEcr == c.active.stamp.frozenAt {
		return a.RTT(), a.RTT() != 0 && !a.Newest.Retransmitted() // Karn's algorithm: many segments carried it
	}
	old := c.active.timing.lastRetransmission != 0 && seq.Less(o.TSEcr, c.clock(c.active.timing.lastRetransmission))
	if old && (a.duplicated > 0 || !c.sack) && now.Sub(c.active.timing.lastRetransmission) >= c.rtt.minimum {
		return 0, false
	}
	return max(time.Duration(ms), 1) * time.Millisecond, true
}

// tsval is the TSVal of the segments sent. It never decreases.
type tsval struct {
	last     uint32 // TSVal of the last segment sent
	frozenAt uint32 // last value at which it stood still
	frozen   bool   // it has stood still
}

// maxTimestampHold is the longest time in milliseconds the TSVal stands still: the slowest clock RFC 7323 4.1 permits
// ticks once a second.
const maxTimestampHold = 1000

// timestamp returns the TSVal of a segment sent now.
//
// On a path that reorders segments it stands still during loss recovery. A retransmission that fills a gap makes its TSVal
// the least the receiver accepts (RFC 7323 5.3). With a running clock the receiver discards each earlier segment that the
// retransmission has overtaken, and each of these needs a retransmission too. Where a retransmission overtakes more than
// one segment on average, recovery never ends.
func (c *Conn) timestamp(now Time) uint32 {
	v := c.clock(now)
	if c.active == nil {
		return v
	}
	t := &c.active.stamp
	if c.active.recovery.phase == noRecovery || !c.reordering.reordered || v == t.last || v-t.last > maxTimestampHold {
		return v
	}
	t.frozenAt, t.frozen = t.last, true
	return t.last
}

// startTimestamp advances the TSVal at the beginning of an episode, whose retransmissions then differ from what was sent
// before (RFC 3522 3.2).
func (c *Conn) startTimestamp(now Time) { c.active.stamp.last = c.clock(now) }

// clock is the value of our timestamp clock, in milliseconds (RFC 7323 4.1).
func (c *Conn) clock(now Time) uint32 { return timestampClock(now, c.tsOffset) }

func timestampClock(now Time, offset uint32) uint32 {
	return uint32(int64(now)/int64(time.Millisecond)) + offset
}
