package conn

import (
	"minitcp/conn/buffer"
	"minitcp/conn/seq"
	"minitcp/conn/wire"
)

// Segment is a segment that arrived. It may be a superframe: several segments the device put together, whose header
// is the first one's and whose data is that of all.
type Segment struct {
	TCP  wire.TCP
	Data []byte // the caller's; used only during the call, unless Buffer is retained
	// SegmentSize is the data octets in each segment of a superframe, 0 when it is a single segment.
	SegmentSize int
	// ECN is the ECN codepoint of the packet. All packets of a superframe have the same.
	ECN wire.ECN

	// Buffer is the memory that Data lies in, if the connection may retain it, otherwise nil. See [buffer.Borrowed] for who
	// owns it when.
	Buffer buffer.Borrowed
	// Retained is set by Receive if the connection has retained Buffer. The driver clears it before each call.
	Retained bool
}

// length is SEG.LEN: the data and the sequence numbers SYN and FIN take (RFC 9293 3.4).
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

// size is the data octets of its largest single segment.
func (s *Segment) size() int {
	if s.SegmentSize > 0 {
		return min(s.SegmentSize, len(s.Data))
	}
	return len(s.Data)
}

// Outgoing is a segment to send. The caller keeps one and hands it to every Transmit, which overwrites it.
type Outgoing struct {
	TCP wire.TCP // all but the ports
	// Data is the data in pieces, Len octets in all. The pieces are the connection's: valid until the next call on it.
	Data [][]byte
	Len  int
	// SegmentSize: when Len is larger, this is a superframe to be cut into segments of this many octets; PSH and FIN
	// belong to the last of them.
	SegmentSize int
	// ECN is the codepoint of the IP packet, or of all that a superframe is cut into.
	ECN wire.ECN
	// MayFragment permits routers to fragment the IPv4 packet, or those that a superframe is cut into: a hop takes less
	// than the smallest segment we send.
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

// Note says why a segment was sent, where the segment itself does not tell.
type Note uint8

const (
	NoteNone Note = iota
	// NoteRetransmission: sent again after the retransmission timeout.
	NoteRetransmission
	// NoteFastRetransmission: sent again after duplicate ACKs.
	NoteFastRetransmission
	// NoteTailProbe: sent to learn whether the end of what went before has arrived (RFC 8985 7).
	NoteTailProbe
	// NoteTailRetransmission: the same, by sending the last segment again.
	NoteTailRetransmission
	// NoteWindowProbe: asks whether the peer's window has opened.
	NoteWindowProbe
	// NoteKeepAlive: asks whether the peer is still there.
	NoteKeepAlive
	// NoteChallenge: an ACK that asks the peer to prove it meant its RST or SYN (RFC 5961).
	NoteChallenge
	// NoteDuplicateACK: tells the peer that something arrived twice, early, or outside the window.
	NoteDuplicateACK
	// NoteWindowUpdate: the application has read, there is room again.
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
	NoteWindowUpdate:       "window update",
}

// String is a few words for people, "" for NoteNone.
func (n Note) String() string {
	if int(n) < len(noteTexts) {
		return noteTexts[n]
	}
	return "unknown note"
}
