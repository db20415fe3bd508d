package delack

import (
	"minitcp/conn/pmtu"
	"minitcp/conn/wire"
)

// SegmentSize is the size of the peer's full segments, of which every second one is acknowledged. It is derived from
// the segments that arrive in order.
type SegmentSize struct {
	Full int32 // bytes of data and options
	last int32 // bytes in the last segment in order
}

// defaultMSS is the default MSS. A segment of this size may be full even if it has PSH (MUST-15).
const defaultMSS = 536

// UnknownSize returns the SegmentSize before data has arrived.
func UnknownSize() SegmentSize { return SegmentSize{Full: pmtu.MinSendMSS} }

// Measure takes a segment with n bytes of data that has arrived in order. It is a GSO packet if n is larger than size.
// Full grows at once. It falls when two segments in a row have the same smaller size, as after Packet Too Big, unless
// they are small and have PSH, which are small writes of an application.
func (z *SegmentSize) Measure(size, n int, flags wire.Flags) {
	subMSS := size < defaultMSS && flags.Has(wire.PSH) && n < 2*size
	if n >= 2*size {
		z.last = int32(size) // a GSO packet of at least two full segments
	}
	if int32(size) > z.Full || int32(size) == z.last && !subMSS {
		z.Full = max(int32(size), pmtu.MinSendMSS)
	}
	z.last = int32(size)
}

// Kind returns the kind of a segment.
func (z *SegmentSize) Kind(size int, flags wire.Flags) Segment {
	s := Segment{Full: int32(size) >= z.Full, Pushed: flags.Has(wire.PSH)}
	if s.Pushed {
		s.Full = s.Full && size >= defaultMSS // the application may write pieces of the same size
	}
	return s
}
