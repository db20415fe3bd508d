// Package ecn negotiates Explicit Congestion Notification in the handshake of a TCP connection (RFC 3168 6.1.1).
package ecn

import (
	"minitcp/conn/names"
	"minitcp/conn/wire"
)

// Mode selects whether routers may mark packets instead of dropping them. Both ends must agree on it in the
// handshake (RFC 3168 6.1.1).
type Mode uint8

const (
	// Passive agrees if the peer requests ECN. It is the default, as on Linux.
	Passive Mode = iota
	// Active also requests ECN. A SYN that is retransmitted does not, in case a middlebox drops SYNs with these flags
	// (RFC 3168 6.1.1.1).
	Active
	// Disabled neither requests ECN nor agrees to it.
	Disabled
)

var modeNames = [...]string{Passive: "passive", Active: "active", Disabled: "disabled"}

// String returns "passive", "active" or "disabled".
func (m Mode) String() string { return names.Of(modeNames[:], m) }

// MarshalText implements encoding.TextMarshaler with the names of String.
func (m Mode) MarshalText() ([]byte, error) { return []byte(m.String()), nil }

// UnmarshalText implements encoding.TextUnmarshaler with the names of String.
func (m *Mode) UnmarshalText(text []byte) error {
	return names.Parse(modeNames[:], text, "ECN mode", m)
}

// Handshake records whether SYNs and SYN-ACKs with ECN setup flags, and without them, have been sent and received.
type Handshake struct{ sentSetup, sentPlain, receivedSetup, receivedPlain bool }

// setup reports whether a SYN or SYN-ACK sets up ECN. A SYN-ACK with CWR does not: some hosts reflect the flags of
// the SYN (RFC 3168 6.1.1).
func setup(f wire.Flags) bool {
	if f.Has(wire.ACK) {
		return f&(wire.ECE|wire.CWR) == wire.ECE
	}
	return f.Has(wire.ECE | wire.CWR)
}

// Received records the flags of a SYN or SYN-ACK that has arrived.
func (e *Handshake) Received(f wire.Flags) {
	if setup(f) {
		e.receivedSetup = true
	} else {
		e.receivedPlain = true
	}
}

// Offer returns the flags of a SYN or SYN-ACK with the ECN flags added, and records them. again means that the segment
// is a SYN that was not answered. Once either end has sent a SYN or SYN-ACK without ECN, the connection stays without
// it.
func (e *Handshake) Offer(f wire.Flags, mode Mode, again bool) wire.Flags {
	switch {
	case f.Has(wire.ACK):
		if mode != Disabled && e.receivedSetup && !e.receivedPlain && !e.sentPlain {
			f |= wire.ECE
		}
	case mode == Active && !again:
		f |= wire.ECE | wire.CWR
	}
	if setup(f) {
		e.sentSetup = true
	} else {
		e.sentPlain = true
	}
	return f
}

// Agreed reports whether packets may be sent as ECN-capable: all SYNs and SYN-ACKs in both directions set up ECN
// (RFC 3168 6.1.1).
func (e *Handshake) Agreed() bool {
	return e.sentSetup && e.receivedSetup && !e.sentPlain && !e.receivedPlain
}

// MustEcho reports whether the peer may assume that ECN is agreed on. Its packets may then be marked, and marks must be
// reported to it (RFC 3168 6.1.1).
func (e *Handshake) MustEcho() bool { return e.sentSetup && e.receivedSetup }
