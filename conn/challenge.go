package conn

import "time"

// challengeLimit limits the ACKs sent in reply to segments that may be forged, or that two ends in disagreement send
// each other, to a few in five seconds (RFC 5961 7). Each connection has its own limit: an attacker who has one
// connection could observe the others through a shared one (CVE-2016-5696).
type challengeLimit struct {
	since                  Time
	challenges, duplicates uint16 // replies sent since then
}

const (
	challengeInterval = 5 * time.Second
	// challengeCount is the number of replies to segments without data in an interval.
	challengeCount = 10
	// duplicateCount is the number of replies to segments with data in an interval. It is enough to report a window of
	// needless retransmissions to the peer (RFC 2883), and ends the exchange with a peer that repeats a segment on every
	// ACK.
	duplicateCount = 1000
)

// allow reports whether the current interval has room for another reply to a segment without data, and counts it.
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

// renew begins a new interval if the last one has ended.
func (l *challengeLimit) renew(now Time) {
	if l.challenges+l.duplicates == 0 || now.Sub(l.since) >= challengeInterval {
		*l = challengeLimit{since: now}
	}
}

// acknowledgeUnacceptable sends an ACK with the current numbers in reply to a segment that is refused or was not
// needed. The number of such ACKs is limited, as two ends that disagree could otherwise reply to each other without
// end.
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

// challengeACK sends an ACK in reply to a segment that may be forged. If the peer did send the segment, it replies with
// a RST that has the exact sequence number (RFC 5961 3.2, 4.2, 5.2).
func (c *Conn) challengeACK(now Time) Verdict {
	if c.challenge.allow(now) {
		c.acknowledgeNow(NoteChallenge)
	}
	return VerdictChallenged
}
