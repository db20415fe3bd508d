package conn

// arrival gathers what one ACK, with its SACK blocks, says for the first time.
type arrival struct {
	octets   int64  // that arrived
	original bool   // some were sent only once
	newest   record // of the records, the one sent last
	lost     bool   // loss detection has found something
	advanced bool   // SND.UNA has moved
	repeated int64  // octets the peer has received twice (D-SACK, RFC 2883)
}

// add takes a record, or a part of one.
func (a *arrival) add(r *record) {
	if a.octets == 0 || sentAfter(r, &a.newest) {
		a.newest = *r
	}
	a.octets += r.size()
	a.original = a.original || !r.again
}

// sentAfter reports whether a was sent after b; of what left at one instant, the higher numbers were later
// (RFC 8985 6.2, RACK_sent_after).
func sentAfter(a, b *record) bool { return a.at > b.at || a.at == b.at && a.end > b.end }
