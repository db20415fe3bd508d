package conn

// acknowledgeUnacceptable sends an ACK with the current numbers in reply to a segment that is refused or was not
// needed. The number of such ACKs is limited, as two ends that disagree could otherwise reply to each other without
// end.
func (c *Conn) acknowledgeUnacceptable(now Time, s *Segment) {
	allowed := false
	if len(s.Data) > 0 {
		allowed = c.challenge.AllowDuplicate(now)
	} else {
		allowed = c.challenge.Allow(now)
	}
	if allowed {
		c.acknowledgeNow(NoteDuplicateACK)
	}
}

// challengeACK sends an ACK in reply to a segment that may be forged. If the peer did send the segment, it replies with
// a RST that has the exact sequence number (RFC 5961 3.2, 4.2, 5.2).
func (c *Conn) challengeACK(now Time) Verdict {
	if c.challenge.Allow(now) {
		c.acknowledgeNow(NoteChallenge)
	}
	return VerdictChallenged
}
