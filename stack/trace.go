package stack

import (
	"net/netip"
	"time"

	"minitcp/conn"
	"minitcp/conn/wire"
)

// TraceEvent describes one segment that has arrived or left.
type TraceEvent struct {
	Time     time.Duration // since the stack was made
	Outgoing bool          // false for a segment that has arrived

	Local, Remote netip.AddrPort
	TCP           wire.TCP
	ECN           wire.ECN // of the IP packet
	Len           int      // bytes of data
	// RelativeSeq and RelativeAck count from the initial sequence numbers, as in Wireshark. They are -1 if those are
	// unknown.
	RelativeSeq, RelativeAck int64

	Before, After conn.State // local state before and after the segment
	Segments      int        // number of segments; more than 1 in a superframe
	Note          string     // remarkable property, such as "retransmission" or "out of order", or empty
	Dropped       bool       // the segment arrived and was dropped
}

// traceIn reports a segment that arrived. E is its connection, nil if it has none.
func (q *queue) traceIn(now conn.Time, e *entry, before conn.State, note string, dropped bool) {
	s := q.stack
	if !s.observers.segment.Any() {
		return
	}
	v := &q.writer.event
	*v = TraceEvent{
		Time:     time.Duration(now),
		Local:    netip.AddrPortFrom(q.ip.Dst, q.segment.TCP.DstPort),
		Remote:   netip.AddrPortFrom(q.ip.Src, q.segment.TCP.SrcPort),
		TCP:      q.segment.TCP,
		ECN:      q.ip.ECN(),
		Len:      len(q.segment.Data),
		Before:   before,
		Segments: wire.Segments(len(q.segment.Data), q.segment.SegmentSize),
		Note:     note,
		Dropped:  dropped,
	}
	s.trace(e, v, v.TCP.Seq, v.TCP.Ack)
}

// traceOut reports the segment in w.out, which has left.
func (s *Stack) traceOut(now conn.Time, e *entry, w *writer, before conn.State) {
	if !s.observers.segment.Any() {
		return
	}
	v := &w.event
	*v = TraceEvent{
		Time:     time.Duration(now),
		Outgoing: true,
		Local:    netip.AddrPortFrom(w.ip.Src, w.out.TCP.SrcPort),
		Remote:   netip.AddrPortFrom(w.ip.Dst, w.out.TCP.DstPort),
		TCP:      w.out.TCP,
		ECN:      w.out.ECN,
		Len:      w.out.Len,
		Before:   before,
		Segments: wire.Segments(w.out.Len, w.out.SegmentSize),
		Note:     w.out.Note.String(),
	}
	s.trace(e, v, v.TCP.Ack, v.TCP.Seq)
}

// trace adds the state and the relative numbers of e's connection to v, unless e is nil, and calls the observers.
// Theirs is a number of the peer's sequence space, ours one of the local one.
func (s *Stack) trace(e *entry, v *TraceEvent, theirs, ours uint32) {
	v.After, v.RelativeSeq, v.RelativeAck = v.Before, -1, -1
	if e != nil {
		v.After = e.state()
		v.relative(e, theirs, ours)
	}
	s.observers.segment.Call(v)
}

// relative sets the relative numbers.
func (v *TraceEvent) relative(e *entry, theirs, ours uint32) {
	iss, irs, known := e.initialNumbers()
	relativeOurs, relativeTheirs := int64(ours-iss), int64(-1)
	if known {
		relativeTheirs = int64(theirs - irs)
	}
	if v.Outgoing {
		v.RelativeSeq, v.RelativeAck = relativeOurs, relativeTheirs
	} else {
		v.RelativeSeq, v.RelativeAck = relativeTheirs, relativeOurs
	}
	if !v.TCP.Flags.Has(wire.ACK) {
		v.RelativeAck = -1
	}
}
