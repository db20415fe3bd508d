package conn

// rounds counts round trips by what is delivered: one is over when something is acknowledged that was sent after the
// last was. Congestion control compares them (RFC 9406 4.2).
type rounds struct {
	end int64 // octets that had been delivered when this round trip began
	// full: in this round trip, or the last, the congestion window and nothing else has held Transmit back. Not at every
	// ACK, even of a sender that always has more to send: a pacer that fills the window keeps some of it free.
	full, wasFull bool
}

// passed takes what an ACK said, after which so much has been delivered, and reports whether a round trip has passed.
func (r *rounds) passed(a *arrival, delivered int64) bool {
	if a.Bytes == 0 || a.Newest.DeliveredBefore() < r.end {
		return false
	}
	r.end = delivered
	r.full, r.wasFull = false, r.full
	return true
}
