package conn

// rounds counts round trips by what is delivered: one is over when something is acknowledged that was sent after the
// last was. Congestion control compares them (RFC 9406 4.2).
type rounds struct {
	delivered int64 // octets known to have arrived since the connection began
	end       int64 // deliveries at which this round trip began
}

// passed takes what an ACK said, and reports whether a round trip has passed.
func (r *rounds) passed(a *arrival) bool {
	r.delivered += a.octets
	if a.octets == 0 || a.newest.delivered < r.end {
		return false
	}
	r.end = r.delivered
	return true
}
