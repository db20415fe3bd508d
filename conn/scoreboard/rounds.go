package scoreboard

// Rounds counts round trips: one has passed when data is acknowledged that was sent after the last one had passed.
// Congestion control needs it (RFC 9406 4.2).
type Rounds struct {
	end int64 // bytes delivered when this round trip began
	// limited reports whether only the congestion window has limited the sender at some time in this round trip,
	// wasLimited the same for the last one. It is not the case at every ACK: a pacer keeps part of the window free.
	limited, wasLimited bool
	most                int32 // largest number of bytes in flight since this round trip began
}

// LimitedByWindow records that only the congestion window limits the sender.
func (r *Rounds) LimitedByWindow() { r.limited = true }

// WindowLimited reports whether only the congestion window has limited the sender in this round trip or the last.
func (r *Rounds) WindowLimited() bool { return r.limited || r.wasLimited }

// InFlight records the number of bytes in flight before an ACK, and returns the largest since this round trip began.
func (r *Rounds) InFlight(n int64) (most int64) {
	r.most = max(r.most, int32(n))
	return int64(r.most)
}

// Passed processes an ACK, before which inFlight bytes were in flight and after which delivered bytes have arrived, and
// reports whether a round trip has passed.
func (r *Rounds) Passed(d *Delivered, inFlight, delivered int64) bool {
	if d.Bytes == 0 || d.Newest.snapshot.delivered < r.end {
		return false
	}
	r.end = delivered
	r.limited, r.wasLimited = false, r.limited
	r.most = int32(inFlight)
	return true
}
