package conn

import "time"

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
