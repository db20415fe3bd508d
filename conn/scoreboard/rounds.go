package scoreboard

// Rounds counts round trips: one has passed when data is acknowledged that was sent after the last one had passed.
// Congestion control needs it (RFC 9406 4.2).
type Rounds struct {
	end int64 // bytes delivered when this round trip began
	// limited reports whether only the congestion window has limited the sender at some time in this round trip,
	// wasLimited the same for the last one. It is not the case at every ACK: a pacer keeps part of the window free.
	limited, wasLimited bool
}

// LimitedByWindow records that only the congestion window limits the sender.
func (r *Rounds) LimitedByWindow() { r.limited = true }

// WindowLimited reports whether only the congestion window has limited the sender in this round trip or the last.
func (r *Rounds) WindowLimited() bool { return r.limited || r.wasLimited }

// Passed processes an ACK, after which delivered bytes have arrived, and reports whether a round trip has passed.
func (r *Rounds) Passed(d *Delivered, delivered int64) bool {
	if d.Bytes == 0 || d.Newest.snapshot.delivered < r.end {
		return false
	}
	r.end = delivered
	r.limited, r.wasLimited = false, r.limited
	return true
}
