package stack

import (
	"errors"
	"os"

	"minitcp/conn"
	"minitcp/conn/wire"
	"minitcp/stack/internal/counters"
	"minitcp/stack/internal/frame"
)

// writer is the reusable memory for building and sending frames. Each queue has one. Applications and timers borrow
// theirs.
type writer struct {
	out conn.Outgoing
	ip  wire.IP
	frame.Builder
	body  []byte // payload of an ICMP message or of a datagram that is fragmented
	event TraceEvent
	taken Frame // argument of Observer.Frame
	turn  int   // Link.Transmit's: the most bytes of data in the one frame to send; 0 for other writers
}

func newWriter() *writer { return &writer{Builder: frame.Builder{Parts: make([][]byte, 0, 8)}} }

func (s *Stack) borrowWriter() *writer  { return s.writers.Get().(*writer) }
func (s *Stack) returnWriter(w *writer) { s.writers.Put(w) }

// writeFrame sends the frame in w.Parts on a queue. State is that of its connection, CLOSED without one.
func (s *Stack) writeFrame(w *writer, queue uint8, state conn.State) {
	s.totals.Count(counters.FramesSent)
	if w.IsSuperframe() {
		s.totals.Count(counters.SuperframesOut)
	}
	if err := s.queues[queue].WriteFrame(w.Parts); err != nil {
		s.totals.Count(counters.FrameErrors) // lost, as on any network
		s.frameLimit.Refused(s.clock.Now(), w.Parts)
		if errors.Is(err, os.ErrClosed) {
			s.fail("write", err)
		}
	}
	s.tapOut(w, state)
}

// send sends the segment in w.out of e's connection, which was in the state before.
//
// It runs deep in the stack of every goroutine that sends. The functions that build the segment have returned when the
// device is called, so that their variables do not make the runtime enlarge that stack.
func (s *Stack) send(now conn.Time, e *entry, w *writer, before conn.State) {
	e.address(w)
	s.writeSegment(w, e.queue, e.state())
	s.traceOut(now, e, w, before)
}

// address puts e's addresses and ports, and the rest of the IP header's values, into w.
func (e *entry) address(w *writer) {
	w.ip = wire.IP{
		Src:          e.Key.Local.Addr(),
		Dst:          e.Key.Remote.Addr(),
		Protocol:     wire.ProtocolTCP,
		HopLimit:     e.hopLimit,
		TrafficClass: e.trafficClass,
	}
	w.ip.SetECN(w.out.ECN)
	if w.out.MayFragment {
		w.ip.MayFragment, w.ip.ID = true, e.ipID
		e.ipID += uint16(wire.Segments(w.out.Len, w.out.SegmentSize))
	}
	w.out.TCP.SrcPort, w.out.TCP.DstPort = e.Key.LocalPort(), e.Key.RemotePort()
}

// writeSegment sends the segment in w.out, which has its ports, between the addresses in w.ip. State is that of its
// connection, CLOSED without one.
func (s *Stack) writeSegment(w *writer, queue uint8, state conn.State) {
	s.buildSegment(w)
	s.writeFrame(w, queue, state)
	s.countSegment(&w.out)
}

// buildSegment builds the frame of the segment in w.out.
func (s *Stack) buildSegment(w *writer) {
	w.TCP(&w.ip, &w.out.TCP, w.out.Len)
	w.Parts = append(w.Parts, w.out.Data...)
	w.Finish(&w.ip, w.out.Len, w.out.SegmentSize, frame.Checksum(s.offload))
}

// countSegment counts a segment sent.
func (s *Stack) countSegment(out *conn.Outgoing) {
	n := wire.Segments(out.Len, out.SegmentSize)
	s.totals.Add(counters.SegmentsSent, n)
	s.totals.Add(counters.BytesSent, out.Len)
	switch {
	case out.TCP.Flags.Has(wire.RST):
		s.totals.Count(counters.ResetsSent)
	case out.Note == conn.NoteRetransmission, out.Note == conn.NoteFastRetransmission, out.Note == conn.NoteTailRetransmission:
		s.totals.Add(counters.Retransmissions, n)
	}
}

// writePacket sends a packet of another protocol than TCP, with the IP header in w.ip.
func (s *Stack) writePacket(w *writer, queue uint8, payload []byte) {
	w.Packet(&w.ip, payload)
	s.writeFrame(w, queue, conn.Closed)
}
