package stack

import (
	"encoding/binary"
	"errors"
	"os"

	"minitcp/conn"
	"minitcp/conn/wire"
	"minitcp/stack/internal/counters"
)

// writer is the reusable memory for building and sending frames. Each queue has one. Applications and timers borrow
// theirs.
type writer struct {
	out     conn.Outgoing
	ip      wire.IP
	headers [wire.VirtioHeaderLen + wire.IPv6HeaderLen + maxTCPHeader]byte
	parts   [][]byte
	body    []byte // ICMP message
	event   TraceEvent
	frame   Frame // argument of Observer.Frame
	turn    int   // Link.Transmit's: the most bytes of data in the one frame to send; 0 for other writers
}

const maxTCPHeader = 60

// virtioGSOType is the offset of the kind of superframe in a virtio_net_hdr.
const virtioGSOType = 1

func newWriter() *writer { return &writer{parts: make([][]byte, 0, 8)} }

func (s *Stack) borrowWriter() *writer  { return s.writers.Get().(*writer) }
func (s *Stack) returnWriter(w *writer) { s.writers.Put(w) }

// writeFrame sends the frame in w.parts on a queue. State is that of its connection, CLOSED without one.
func (s *Stack) writeFrame(w *writer, queue uint8, state conn.State) {
	s.totals.Count(counters.FramesSent)
	if w.parts[0][virtioGSOType] != wire.GSONone {
		s.totals.Count(counters.SuperframesOut)
	}
	if err := s.queues[queue].WriteFrame(w.parts); err != nil {
		s.totals.Count(counters.FrameErrors) // lost, as on any network
		s.frameLimit.refused(s.clock.Now(), w.parts)
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
	w.putHeaders()
	s.completeFrame(w)
	s.writeFrame(w, queue, state)
	s.countSegment(&w.out)
}

// putHeaders writes the IP and TCP headers of the segment in w.out, without the TCP checksum.
// It puts the TCP header and the data into w.parts.
func (w *writer) putHeaders() {
	at := wire.VirtioHeaderLen + ipHeaderLen(w.ip.Is4())
	end := at + wire.PutTCP(w.headers[at:], &w.out.TCP)
	wire.PutIP(w.headers[wire.VirtioHeaderLen:], &w.ip, end-at+w.out.Len)
	w.parts = append(w.parts[:0], w.headers[at:end])
	w.parts = append(w.parts, w.out.Data...)
}

// completeFrame completes the frame of the segment in w.parts: the checksum of the TCP header, which may be left to the
// device, and the virtio_net_hdr and the IP header in front.
func (s *Stack) completeFrame(w *writer) {
	out, tcp, ipLen := &w.out, w.parts[0], ipHeaderLen(w.ip.Is4())
	pseudo := wire.PseudoHeaderSum(w.ip.Src, w.ip.Dst, wire.ProtocolTCP, len(tcp)+out.Len)
	var h wire.VirtioHeader
	if s.offload {
		binary.BigEndian.PutUint16(tcp[wire.TCPChecksumOffset:], wire.Fold(pseudo))
		h.Flags = wire.VirtioNeedsChecksum
		h.ChecksumStart, h.ChecksumOffset = uint16(ipLen), wire.TCPChecksumOffset
		if n := wire.Segments(out.Len, out.SegmentSize); n > 1 {
			h.GSOType = wire.GSOTCPv6
			if w.ip.Is4() {
				h.GSOType = wire.GSOTCPv4
			}
			h.GSOSize = uint16(out.SegmentSize)
			h.HeaderLen = uint16(ipLen + len(tcp))
		}
	} else {
		binary.BigEndian.PutUint16(tcp[wire.TCPChecksumOffset:], wire.ChecksumGather(pseudo, w.parts))
	}
	wire.PutVirtio(w.headers[:], &h)
	w.parts[0] = w.headers[:wire.VirtioHeaderLen+ipLen+len(tcp)]
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

// writePacket sends a packet of another protocol than TCP. Its IP header is in w.headers.
func (s *Stack) writePacket(w *writer, queue uint8, ipLen int, body []byte) {
	wire.PutVirtio(w.headers[:], &wire.VirtioHeader{})
	w.parts = append(w.parts[:0], w.headers[:wire.VirtioHeaderLen+ipLen], body)
	s.writeFrame(w, queue, conn.Closed)
}

// ipHeaderLen returns the length in bytes of an IP header without options or extensions.
func ipHeaderLen(is4 bool) int {
	if is4 {
		return wire.IPv4HeaderLen
	}
	return wire.IPv6HeaderLen
}
