package conn

// rounds counts round trips: one has passed when data is acknowledged that was sent after the last one had passed.
// Congestion control needs it (RFC 9406 4.2).
type rounds struct {
	end int64 // bytes delivered when this round trip began
	// full reports whether only the congestion window has limited Transmit at some time in this round trip, wasFull the
	// same for the last one. It is not the case at every ACK: a pacer keeps part of the window free.
	full, wasFull bool
}

// passed processes an ACK, after which delivered bytes have arrived, and reports whether a round trip has passed.
func (r *rounds) passed(a *arrival, delivered int64) bool {
	if a.Bytes == 0 || a.Newest.DeliveredBefore() < r.end {
		return false
	}
	r.end = delivered
	r.full, r.wasFull = false, r.full
	return true
}
