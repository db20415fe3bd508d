// Package window keeps the two windows of a TCP connection: the peer's, which limits the data to send, and the local
// one, which limits the data that arrives (RFC 9293 3.8.6).
package window

import (
	"minitcp/conn/seq"
	"minitcp/conn/wire"
)

// MaxField is the largest value of the window field before scaling.
const MaxField = 65535

// Peer is the window that the peer has advertised.
type Peer struct {
	Edge seq.Offset // first byte beyond the window: SND.UNA+SND.WND at the last update
	// wl1 and wl2 are the sequence and acknowledgment numbers of the last update (SND.WL1, SND.WL2).
	wl1, wl2 seq.Offset
	Size     int32 // SND.WND
	Largest  int32 // largest window so far (MAX.SND.WND)
}

// FromSYN returns the window in the peer's SYN, which is never scaled (RFC 7323 2.2).
func FromSYN(field uint16) Peer {
	return Peer{Edge: 1 + seq.Offset(field), Size: int32(field), Largest: int32(field)}
}

// Number sets the sequence and acknowledgment numbers of the last update.
func (p *Peer) Number(at, ack seq.Offset) { p.wl1, p.wl2 = at, ack }

// Update takes the window from an acceptable segment at the given offset, unless the segment or its ACK is older than
// that of the last update (RFC 9293 3.10.7.4: SND.UNA =< SEG.ACK, SND.WL1, SND.WL2).
//
// Deviation: a segment that acknowledges new data is newer than all before it, and always counts, as on Linux. Without
// this, data that arrived out of order with a small window would make every window that follows an old one, until the
// data before it has arrived.
func (p *Peer) Update(una, at, ack seq.Offset, h *wire.TCP, scale uint8) {
	if ack < una || ack == una && (at < p.wl1 || at == p.wl1 && ack < p.wl2) {
		return
	}
	p.Number(at, ack)
	p.Size = int32(h.Window)
	if !h.Flags.Has(wire.SYN) { // the window in a SYN is never scaled (RFC 7323 2.2)
		p.Size <<= scale
	}
	p.Largest = max(p.Largest, p.Size)
	p.Edge = ack + seq.Offset(p.Size)
}

// Closed reports whether the window ends at SND.UNA or before.
func (p *Peer) Closed(una seq.Offset) bool { return p.Edge <= una }

// Next returns the sequence number of a segment without data: the byte that the peer expects next if all data up to
// sent has arrived. It is not beyond a window that has shrunk, even if a probe was sent there, since the peer would
// drop the segment with its ACK. A scaled window that shrinks by less than its unit has only been rounded down, and
// does not count.
func (p *Peer) Next(una, sent seq.Offset, scale uint8) seq.Offset {
	if sent < p.Edge+1<<scale && !p.Closed(una) {
		return sent
	}
	return max(una, min(sent, max(p.Edge, 1)))
}
