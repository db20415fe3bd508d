package conn

import "minitcp/conn/wire"

// acknowledgeUnacceptable sends an ACK with the current numbers in reply to a segment that is refused or was not
// needed. The number of such ACKs is limited, as two ends that disagree could otherwise reply to each other without
// end.
func (c *Conn) acknowledgeUnacceptable(now Time, s *Segment) {
	if c.allowACK(now, s) {
		c.acknowledgeNow(NoteDuplicateACK)
	}
}

// challengeACK sends an ACK in reply to a segment that may be forged. If the peer did send the segment, it replies with
// a RST that has the exact sequence number (RFC 5961 3.2, 4.2, 5.2).
func (c *Conn) challengeACK(now Time, s *Segment) Verdict {
	if c.allowACK(now, s) {
		c.acknowledgeNow(NoteChallenge)
	}
	return VerdictChallenged
}

// allowACK reports whether an ACK in reply to a segment that is refused or not needed is within the limits, and counts
// it.
func (c *Conn) allowACK(now Time, s *Segment) bool {
	if len(s.Data) > 0 && !s.TCP.Flags.Has(wire.SYN) {
		return c.challenge.AllowDuplicate(now)
	}
	return c.challenge.Allow(now, s.TCP.Flags)
}
