package conn

import (
	"time"

	"minitcp/conn/buffer"
	"minitcp/conn/seq"
	"minitcp/conn/wire"
)

// ackState answers: when must what arrived be acknowledged?
type ackState struct {
	due   bool // at the next Transmit
	note  Note
	bytes int32 // in-order bytes since the last ACK was sent
	// duplicate is what has come twice and was not reported yet: the first block of the next ACK says so, a D-SACK
	// (RFC 2883).
	duplicate buffer.Range
}

// recent is the starts of the early intervals that changed last, most recent first, 0: none.
type recent [4]seq.Offset

// acknowledgeNow makes an ACK due at once.
func (c *Conn) acknowledgeNow(note Note) {
	c.ack.due = true
	if note != NoteNone {
		c.ack.note = note
	}
}

// acknowledgeData is called when a segment has brought n bytes in order. Every second full segment is acknowledged at the end
// of the batch that brought it (SHLD-19, MUST-58, MUST-59); less waits for cfg.DelayedACK (RFC 9293 3.8.6.3, SHLD-18,
// MUST-40).
func (c *Conn) acknowledgeData(now Time, n int, s *Segment) {
	c.rcv.measureSegment(s)
	c.ack.bytes += int32(n)
	if c.ack.bytes >= 2*c.rcv.segmentSize {
		c.ack.due = true
		return
	}
	c.active.timer.ack = min(c.active.timer.ack, now.Add(c.cfg.DelayedACK))
}

// measureSegment derives the size of the peer's full segments, by which every second one is acknowledged, from a segment
// that has arrived in order. The size grows at once. It falls to that of two segments in a row of one size, as after Packet
// Too Big, unless they are small and end with PSH: those are small writes of an application.
func (r *receiveSpace) measureSegment(s *Segment) {
	const full = 536 // a segment of this size may be full even with PSH: the default MSS (MUST-15)
	size := int32(s.size())
	small := size < full && s.TCP.Flags.Has(wire.PSH) && len(s.Data) < 2*int(size)
	if len(s.Data) >= 2*int(size) {
		r.lastSize = size // a superframe of at least two full segments
	}
	if size > r.segmentSize || size == r.lastSize && !small {
		r.segmentSize = max(size, minSendMSS)
	}
	r.lastSize = size
}

// announce makes a segment that is sure to be sent carry our window, and counts its ACK as sent.
func (c *Conn) announce(out *Outgoing) {
	out.TCP.Window = c.announceWindow()
	if c.active != nil {
		c.active.stamp.last = out.TCP.Options.TSVal
	}
	c.acknowledged()
}

// acknowledged is called when a segment with an ACK has been built.
func (c *Conn) acknowledged() {
	c.ack.due = false
	c.ack.bytes = 0
	c.ack.note = NoteNone
	c.ack.duplicate = buffer.Range{}
	if c.active != nil {
		c.active.timer.ack = Never
	}
}

// add notes that [r.Start, r.End) now holds what came last, for the order of SACK blocks.
func (last *recent) add(r buffer.Range) {
	// Forget entries the range has swallowed, then put it in front.
	kept := recent{r.Start}
	n := 1
	for _, o := range last {
		if o != 0 && (o < r.Start || o >= r.End) && n < len(kept) {
			kept[n] = o
			n++
		}
	}
	*last = kept
}

// duplicated notes that [start, end) has come again.
func (c *Conn) duplicated(start, end seq.Offset) {
	start = max(start, 1) // nothing comes before the first octet
	if c.sack && start < end {
		c.ack.duplicate = buffer.Range{Start: start, End: end}
	}
}

// sackBlocks describes what came twice, then the data out of order: the range that changed last first, then those before it
// (RFC 2018 4, RFC 2883 4).
func (c *Conn) sackBlocks(o *wire.Options) {
	ranges := c.rcv.buf.OutOfOrder()
	room := uint8(4)
	if o.HasTimestamps {
		room = 3
	}
	if d := c.ack.duplicate; d.End > 0 {
		c.sackBlock(o, d) // above the cumulative ACK, the block that holds it comes next: it changed last
	}
	if len(ranges) == 0 {
		return
	}
	for _, start := range c.active.recent {
		if o.SACKCount == room {
			return
		}
		if r := ranges.Holding(start); start != 0 && r != (buffer.Range{}) {
			c.sackBlock(o, r)
		}
	}
}

func (c *Conn) sackBlock(o *wire.Options, r buffer.Range) {
	o.SACK[o.SACKCount] = wire.SACKBlock{Left: seq.Wire(c.rcv.irs, r.Start), Right: seq.Wire(c.rcv.irs, r.End)}
	o.SACKCount++
}

// challengeLimit limits the answers to segments that may be forged, or that two ends that disagree send each other, to a few
// in five seconds (RFC 5961 7). Each connection has its own: a limit that connections share tells an attacker who has one of
// them about the others (CVE-2016-5696).
type challengeLimit struct {
	since                  Time
	challenges, duplicates uint16 // answers allowed since then
}

const (
	challengeInterval = 5 * time.Second
	// challengeCount is the number of answers to segments without data.
	challengeCount = 10
	// duplicateCount is the number of answers to segments with data. It lets a peer learn of a window of segments that it
	// has sent again needlessly (RFC 2883), and ends the exchange with one that repeats a segment on every ACK.
	duplicateCount = 1000
)

// allow reports whether the current interval has room for another answer to a segment without data, and counts it.
func (l *challengeLimit) allow(now Time) bool {
	l.renew(now)
	if l.challenges == challengeCount {
		return false
	}
	l.challenges++
	return true
}

// allowDuplicate is allow for a segment with data.
func (l *challengeLimit) allowDuplicate(now Time) bool {
	l.renew(now)
	if l.duplicates == duplicateCount {
		return false
	}
	l.duplicates++
	return true
}

// renew begins a new interval if the last is over.
func (l *challengeLimit) renew(now Time) {
	if l.challenges+l.duplicates == 0 || now.Sub(l.since) >= challengeInterval {
		*l = challengeLimit{since: now}
	}
}

// acknowledgeUnacceptable makes an ACK due that tells the peer where we are, in answer to a segment that is refused or was
// not needed. The answers are limited: two ends that disagree would otherwise answer each other for ever.
func (c *Conn) acknowledgeUnacceptable(now Time, s *Segment) {
	allowed := false
	if len(s.Data) > 0 {
		allowed = c.challenge.allowDuplicate(now)
	} else {
		allowed = c.challenge.allow(now)
	}
	if allowed {
		c.acknowledgeNow(NoteDuplicateACK)
	}
}

// challengeACK answers a segment that may be forged with an ACK: a peer that meant it will send a RST that fits
// (RFC 5961 3.2, 4.2, 5.2).
func (c *Conn) challengeACK(now Time) Verdict {
	if c.challenge.allow(now) {
		c.acknowledgeNow(NoteChallenge)
	}
	return VerdictChallenged
}
