package conn

import (
	"minitcp/conn/buffer"
	"minitcp/conn/seq"
	"minitcp/conn/wire"
)

// Segment is a segment that has arrived. It may be a GSO packet: several segments that the device has put together,
// with the header of the first one and the data of all.
type Segment struct {
	TCP  wire.TCP
	Data []byte // data of the segment; valid only during the call, unless Buffer is retained
	// SegmentSize is the number of data bytes in each segment of a GSO packet, or 0 for a single segment.
	SegmentSize int
	// ECN is the codepoint of the IP packet; of a GSO packet, that of all its packets.
	ECN wire.ECN

	// Buffer is the memory of Data if the connection may retain it, otherwise nil. See [buffer.Borrowed] for its
	// ownership.
	Buffer buffer.Borrowed
	// Retained is set by Receive if the connection has retained Buffer. The driver clears it before each call.
	Retained bool
}

// length returns SEG.LEN: the number of data bytes, plus one each for SYN and FIN (RFC 9293 3.4).
func (s *Segment) length() seq.Offset {
	n := seq.Offset(len(s.Data))
	if s.TCP.Flags.Has(wire.SYN) {
		n++
	}
	if s.TCP.Flags.Has(wire.FIN) {
		n++
	}
	return n
}

// size returns the number of data bytes in the largest single segment.
func (s *Segment) size() int {
	if s.SegmentSize > 0 {
		return min(s.SegmentSize, len(s.Data))
	}
	return len(s.Data)
}

// Outgoing is a segment to send. Transmit overwrites it, so a driver may use one Outgoing for all calls.
type Outgoing struct {
	TCP wire.TCP // header without the ports
	// Data is the data in pieces, Len bytes in total. The pieces are valid until the next call on the connection.
	Data [][]byte
	Len  int
	// SegmentSize, if it is less than Len, makes this a GSO packet, to be cut into segments with this number of data
	// bytes. PSH, which every GSO packet has, and FIN belong to the last one.
	SegmentSize int
	// ECN is the codepoint of the IP packet, or of all packets that a GSO packet is cut into.
	ECN wire.ECN
	// MayFragment permits routers to fragment the IPv4 packet. It is set if a link on the path has a smaller MTU than the
	// smallest segment sent.
	MayFragment bool
	Note        Note
}

// reset makes out an empty segment with the given flags.
func (out *Outgoing) reset(flags wire.Flags) {
	out.TCP = wire.TCP{Flags: flags}
	out.Data = out.Data[:0]
	out.Len = 0
	out.SegmentSize = 0
	out.ECN = wire.NotECT
	out.MayFragment = false
	out.Note = NoteNone
}

// Note is the reason for which a segment was sent, if its contents do not show it.
type Note uint8

const (
	NoteNone Note = iota
	// NoteRetransmission marks a retransmission after the retransmission timeout.
	NoteRetransmission
	// NoteFastRetransmission marks a retransmission after duplicate ACKs or SACKs.
	NoteFastRetransmission
	// NoteTailProbe marks new data whose ACK shows whether the end of the data before it has arrived (RFC 8985 7).
	NoteTailProbe
	// NoteTailRetransmission marks a retransmission of the last segment for the same purpose.
	NoteTailRetransmission
	// NoteWindowProbe marks a probe of the peer's closed window.
	NoteWindowProbe
	// NoteKeepAlive marks a probe of an idle peer.
	NoteKeepAlive
	// NoteChallenge marks an ACK in reply to a RST or SYN that may be forged (RFC 5961).
	NoteChallenge
	// NoteDuplicateACK marks an ACK of a segment that is a duplicate, out of order, or outside the window.
	NoteDuplicateACK
	// NoteMTUProbe marks new data in a segment that is larger than those before, to find the path MTU (RFC 4821).
	NoteMTUProbe
	// NoteWindowUpdate marks an ACK that opens the window after the application has read data.
	NoteWindowUpdate
)

var noteTexts = [...]string{
	NoteNone:               "",
	NoteRetransmission:     "retransmission",
	NoteFastRetransmission: "fast retransmission",
	NoteTailProbe:          "tail probe",
	NoteTailRetransmission: "retransmission as tail probe",
	NoteWindowProbe:        "window probe",
	NoteKeepAlive:          "keep-alive",
	NoteChallenge:          "challenge ACK",
	NoteDuplicateACK:       "duplicate ACK",
	NoteMTUProbe:           "path MTU probe",
	NoteWindowUpdate:       "window update",
}

// String returns a short description, "" for NoteNone.
func (n Note) String() string {
	if int(n) < len(noteTexts) {
		return noteTexts[n]
	}
	return "unknown note"
}
