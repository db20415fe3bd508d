package conn

import "minitcp/conn/wire"

// ListenAction is what a listener does with a segment.
type ListenAction uint8

const (
	// ListenOpen: a SYN; make an [Handshake] of it.
	ListenOpen ListenAction = iota
	// ListenReset: it acknowledges what was never sent; answer with [Reset].
	ListenReset
	// ListenDropReset: a RST, which can mean nothing to a listener.
	ListenDropReset
	// ListenDropSYNFIN: a SYN that ends at once what it opens. Nobody means that but a scanner.
	ListenDropSYNFIN
	// ListenDrop: neither RST, ACK nor SYN.
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
func (a ListenAction) String() string { return nameOf(listenActionNames[:], a) }

// ReceiveListen is SEGMENT ARRIVES in LISTEN, in the RFC's order: RST, ACK, SYN, other (RFC 9293 3.10.7.2).
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
