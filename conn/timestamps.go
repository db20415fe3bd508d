package conn

import (
	"time"

	"minitcp/conn/seq"
	"minitcp/conn/wire"
)

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
	if c.ts.Older(now, o.TSVal) {
		c.acknowledgeUnacceptable(now, s)
		return VerdictOldTimestamp
	}
	return VerdictAccepted
}

// updateTimestamp records the timestamp to echo: that of the segment with the byte last acknowledged. The measured time
// then includes delayed ACKs, and distinguishes retransmissions (RFC 7323 4.3).
func (c *Conn) updateTimestamp(now Time, s *Segment, at seq.Offset) {
	if !c.timestamps || !s.TCP.Options.HasTimestamps || at > c.rcv.wnd.LastACK {
		return
	}
	c.ts.Update(now, s.TCP.Options.TSVal)
}

// echoedRTT returns the round-trip time by the echoed timestamp (RFC 7323 4.1), at least 1 ms. It serves when a
// retransmission has cancelled the local measurement.
//
// An echo from before the last retransmission has two possible causes: a slow path, or a peer that has all data and
// whose ACK was lost, as a receiver does not take timestamps from duplicates. In the second case the time includes the
// local timeout, and each use of it would increase the next timeout. Such a peer reports the duplicate if it can
// (D-SACK). From a peer that has never sent a D-SACK, as gVisor does not, the echo counts only if it follows the
// retransmission sooner than the shortest round trip, and after a timeout within half of that: smaller segments take
// less time than those measured. The same applies after a SACK block of data that was never sent: a middlebox that
// changes blocks may also remove D-SACKs.
func (c *Conn) echoedRTT(now Time, s *Segment, a *arrival) (time.Duration, bool) {
	o := &s.TCP.Options
	if !c.timestamps || !o.HasTimestamps || o.TSEcr == 0 {
		return 0, false
	}
	ms := int32(c.clock(now) - o.TSEcr)
	if ms < 0 || time.Duration(ms)*time.Millisecond > now.Sub(0) {
		return 0, false // no value of this connection
	}
	if c.active.tsval.Held(o.TSEcr) {
		return a.RTT(), c.measures(a) // Karn's algorithm: many segments have this value
	}
	old := c.active.timing.LastRetransmission != 0 && seq.Less(o.TSEcr, c.clock(c.active.timing.LastRetransmission))
	soon := c.rtt.Min
	if c.rtt.Backoff > 0 {
		soon /= 2
	}
	if old && (a.duplicated > 0 || c.stats.Duplicates == 0 || c.falseSACK) && now.Sub(c.active.timing.LastRetransmission) >= soon {
		return 0, false
	}
	return max(time.Duration(ms), 1) * time.Millisecond, true
}

// measures reports whether the round trip of the newest segment that an ACK acknowledges is a measurement: the segment
// was sent once (Karn's algorithm), and without SACK, no retransmission that it has waited for is acknowledged with it.
func (c *Conn) measures(a *arrival) bool {
	return a.RTT() != 0 && !a.Newest.Retransmitted() && (c.sack || !a.Repeated)
}

// timestampsLen is the length of the timestamps option with its padding in bytes.
const timestampsLen = 12

// fullSize returns the number of data bytes in a full segment that has no options except timestamps.
func (c *Conn) fullSize() int {
	size := c.path.SendMSS()
	if c.timestamps {
		size -= timestampsLen
	}
	return size
}

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
	if c.active.recovery.phase == noRecovery || c.reordering.Seen == 0 {
		return v
	}
	return c.active.tsval.Hold(v)
}

// startTimestamp advances the TSVal at the beginning of an episode, so that its retransmissions differ from the
// segments sent before (RFC 3522 3.2).
func (c *Conn) startTimestamp(now Time) { c.active.tsval.Last = c.clock(now) }

// clock returns the local timestamp clock in milliseconds (RFC 7323 4.1).
func (c *Conn) clock(now Time) uint32 { return c.ts.Clock(now) }
