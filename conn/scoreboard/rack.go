package scoreboard

import (
	"math"
	"time"

	"minitcp/conn/seq"
)

// RACK holds the values by which losses are detected: a record is lost if one sent later has been delivered, and the
// time since exceeds the reordering window (RFC 8985 6).
type RACK struct {
	Newest     Transmission  // last transmission that has been delivered: RACK.xmit_ts and RACK.end_seq
	RTT        time.Duration // round-trip time of Newest
	highest    seq.Offset    // end of the highest record that has been delivered: RACK.fack
	dsackRound seq.Offset    // SND.NXT at the last D-SACK that counted; 0: none
}

// Update processes an ACK (RFC 8985 6.2, steps 1 to 3). If it shows that the path reorders segments, the result is the
// number of bytes by which one was late, otherwise 0.
func (r *RACK) Update(d *Delivered) (late int64) {
	if d.Bytes == 0 {
		return 0
	}
	if t := d.Newest.overtakes(); t.after(r.Newest) {
		r.Newest, r.RTT = t, d.Now.Sub(d.Newest.sentAt)
	}
	if d.LowestOriginal != 0 {
		late = max(0, int64(r.highest-d.LowestOriginal))
	}
	r.highest = max(r.highest, d.Highest)
	return late
}

// CountDSACK reports whether a D-SACK counts: one does in each round trip (step 4).
func (r *RACK) CountDSACK(una, nxt seq.Offset) bool {
	if r.dsackRound != 0 && una < r.dsackRound {
		return false
	}
	r.dsackRound = nxt
	return true
}

// Reordering describes the reordering of segments on the path.
type Reordering struct {
	Seen       uint8 // times that segments have arrived in a different order, at most 255
	multiplier uint8 // factor of the reordering window, less one
	persist    uint8 // episodes after which multiplier returns to 0
}

// Note records that segments have arrived in a different order.
func (r *Reordering) Note() {
	if r.Seen < math.MaxUint8 {
		r.Seen++
	}
}

// maxMultiplier limits the factor of the reordering window, and reorderPersist is the number of episodes for which a
// D-SACK has effect (RFC 8985 6.2, step 4).
const (
	maxMultiplier  = 100
	reorderPersist = 16
)

// Widen is called for a D-SACK that counts: a retransmission was spurious, so the window was too short (step 4).
func (r *Reordering) Widen() {
	r.multiplier = min(r.multiplier+1, maxMultiplier)
	r.persist = reorderPersist
}

// EpisodeOver is called when loss recovery ends.
func (r *Reordering) EpisodeOver() {
	if r.persist > 0 {
		if r.persist--; r.persist == 0 {
			r.multiplier = 0
		}
	}
}

// Window returns the additional time for which a segment may be late on a path with this shortest and this smoothed
// round-trip time: RACK.reo_wnd.
func (r *Reordering) Window(shortest, smoothed time.Duration) time.Duration {
	return min(time.Duration(int64(r.multiplier)+1)*shortest/4, smoothed)
}
