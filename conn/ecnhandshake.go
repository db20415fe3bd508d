package conn

import (
	"errors"

	"minitcp/conn/wire"
)

// ECNMode selects whether routers may mark packets instead of dropping them. Both ends must agree on it in the
// handshake (RFC 3168 6.1.1).
type ECNMode uint8

const (
	// ECNPassive agrees if the peer requests ECN. It is the default, as on Linux.
	ECNPassive ECNMode = iota
	// ECNActive also requests ECN. A SYN that is retransmitted does not, in case a middlebox drops SYNs with these flags
	// (RFC 3168 6.1.1.1).
	ECNActive
	// ECNDisabled neither requests ECN nor agrees to it.
	ECNDisabled
)

var ecnModeNames = [...]string{ECNPassive: "passive", ECNActive: "active", ECNDisabled: "disabled"}

// String returns "passive", "active" or "disabled".
func (m ECNMode) String() string { return nameOf(ecnModeNames[:], m) }

// MarshalText implements encoding.TextMarshaler with the names of String.
func (m ECNMode) MarshalText() ([]byte, error) { return []byte(m.String()), nil }

// UnmarshalText implements encoding.TextUnmarshaler with the names of String.
func (m *ECNMode) UnmarshalText(text []byte) error {
	for i, name := range ecnModeNames {
		if name == string(text) {
			*m = ECNMode(i)
			return nil
		}
	}
	return errors.New("unknown ECN mode: want passive, active or disabled")
}

// ecnHandshake records whether SYNs and SYN-ACKs with ECN setup flags, and without them, have been sent and received.
type ecnHandshake struct{ sentSetup, sentPlain, receivedSetup, receivedPlain bool }

// ecnSetup reports whether a SYN or SYN-ACK sets up ECN. A SYN-ACK with CWR does not: some hosts reflect the flags of
// the SYN (RFC 3168 6.1.1).
func ecnSetup(f wire.Flags) bool {
	if f.Has(wire.ACK) {
		return f&(wire.ECE|wire.CWR) == wire.ECE
	}
	return f.Has(wire.ECE | wire.CWR)
}

// received records the flags of a SYN or SYN-ACK that has arrived.
func (e *ecnHandshake) received(f wire.Flags) {
	if ecnSetup(f) {
		e.receivedSetup = true
	} else {
		e.receivedPlain = true
	}
}

// offer returns the flags of a SYN or SYN-ACK with the ECN flags added, and records them. again means that the segment
// is a SYN that was not answered. Once either end has sent a SYN or SYN-ACK without ECN, the connection stays without
// it.
func (e *ecnHandshake) offer(f wire.Flags, mode ECNMode, again bool) wire.Flags {
	switch {
	case f.Has(wire.ACK):
		if mode != ECNDisabled && e.receivedSetup && !e.receivedPlain && !e.sentPlain {
			f |= wire.ECE
		}
	case mode == ECNActive && !again:
		f |= wire.ECE | wire.CWR
	}
	if ecnSetup(f) {
		e.sentSetup = true
	} else {
		e.sentPlain = true
	}
	return f
}

// agreed reports whether packets may be sent as ECN-capable: all SYNs and SYN-ACKs in both directions set up ECN
// (RFC 3168 6.1.1).
func (e *ecnHandshake) agreed() bool {
	return e.sentSetup && e.receivedSetup && !e.sentPlain && !e.receivedPlain
}

// mustEcho reports whether the peer may assume that ECN is agreed on. Its packets may then be marked, and marks must be
// reported to it (RFC 3168 6.1.1).
func (e *ecnHandshake) mustEcho() bool { return e.sentSetup && e.receivedSetup }
