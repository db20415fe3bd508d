package conn

import (
	"minitcp/conn/names"
	"minitcp/conn/wire"
)

// ListenAction is the reaction of a listener to a segment.
type ListenAction uint8

const (
	// ListenOpen means that the segment is a SYN. The driver makes a [Handshake].
	ListenOpen ListenAction = iota
	// ListenReset means that the segment has an ACK although nothing was sent. The driver replies with [Reset].
	ListenReset
	// ListenDropReset means that the segment is a RST, which has no effect on a listener.
	ListenDropReset
	// ListenDropSYNFIN means that the segment has SYN and FIN. Only port scanners send this.
	ListenDropSYNFIN
	// ListenDrop means that the segment has neither RST, ACK nor SYN.
	ListenDrop
)

var listenActionNames = [...]string{
	ListenOpen:       "open",
	ListenReset:      "reset",
	ListenDropReset:  "drop a RST",
	ListenDropSYNFIN: "drop a SYN with FIN",
	ListenDrop:       "drop",
}

// String returns a short description, such as "open" or "drop a RST".
func (a ListenAction) String() string { return names.Of(listenActionNames[:], a) }

// ReceiveListen processes a segment in LISTEN, in the RFC's order: RST, ACK, SYN, other (RFC 9293 3.10.7.2).
func ReceiveListen(f wire.Flags) ListenAction {
	switch {
	case f.Has(wire.RST):
		return ListenDropReset
	case f.Has(wire.ACK):
		return ListenReset
	case f.Has(wire.SYN | wire.FIN):
		return ListenDropSYNFIN
	case f.Has(wire.SYN):
		return ListenOpen
	}
	return ListenDrop
}
