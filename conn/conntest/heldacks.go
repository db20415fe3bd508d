package conntest

import (
	"time"

	"minitcp/conn"
	"minitcp/conn/wire"
)

// heldACKs counts the ACKs of an end that are sent so late after the data that the peer's retransmission timer may
// expire before they arrive, although nothing is lost.
type heldACKs struct {
	since conn.Time // arrival of the first data since the last ACK
	owed  bool
	count int
}

// arrived records the arrival of new data.
func (h *heldACKs) arrived(now conn.Time) {
	if !h.owed {
		h.owed, h.since = true, now
	}
}

// sent records a segment with an ACK. An ACK that is held for late or longer counts.
func (h *heldACKs) sent(now conn.Time, late time.Duration) {
	if h.owed && now.Sub(h.since) >= late {
		h.count++
	}
	h.owed = false
}

// holdsACK records a segment that e sends. The peer's timer runs for the smoothed round-trip time and at least MinRTO,
// and the round trip of the ACK may be longer than the smoothed one by the jitter in both directions. Without jitter no
// ACK counts.
func (p *Pair) holdsACK(e *End, flags wire.Flags) {
	if flags.Has(wire.ACK) && p.Link.Jitter > 0 {
		e.held.sent(p.Now, e.peer.Config.MinRTO-2*p.Link.Jitter)
	}
}
