package conn

import (
	"errors"

	"minitcp/conn/wire"
)

// ECNMode says whether routers may mark packets instead of dropping them, which both ends must agree on in the
// handshake (RFC 3168 6.1.1).
type ECNMode uint8

const (
	// ECNPassive agrees when the peer asks. It is the default, as on Linux.
	ECNPassive ECNMode = iota
	// ECNActive asks, too. A SYN that is not answered is sent again without the question, in case something on the
	// way drops what it does not know (RFC 3168 6.1.1.1).
	ECNActive
	// ECNDisabled neither asks nor agrees.
	ECNDisabled
)

var ecnModeNames = [...]string{ECNPassive: "passive", ECNActive: "active", ECNDisabled: "disabled"}

// String is "passive", "active" or "disabled".
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
	return errors.New("there are passive, active and disabled")
}

// ecnHandshake is what has been said of ECN in SYNs and SYN-ACKs: of those that were sent and of those that came, has one
// set it up, has one not?
type ecnHandshake struct{ sentSetup, sentPlain, receivedSetup, receivedPlain bool }

// ecnSetup reports whether a SYN or SYN-ACK sets up ECN. A SYN-ACK with CWR does not: there are hosts that send back
// whatever bits they get (RFC 3168 6.1.1).
func ecnSetup(f wire.Flags) bool {
	if f.Has(wire.ACK) {
		return f&(wire.ECE|wire.CWR) == wire.ECE
	}
	return f.Has(wire.ECE | wire.CWR)
}

// received takes the flags of a SYN or SYN-ACK that came.
func (e *ecnHandshake) received(f wire.Flags) {
	if ecnSetup(f) {
		e.receivedSetup = true
	} else {
		e.receivedPlain = true
	}
}

// offer adds to the flags of a SYN or SYN-ACK that is about to be sent what it says of ECN; again: it is a SYN that was
// not answered. Who once was asked, or answered, without ECN does not come back to it.
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

// agreed reports whether what we send may be marked: neither side has ever been in doubt (RFC 3168 6.1.1).
func (e *ecnHandshake) agreed() bool {
	return e.sentSetup && e.receivedSetup && !e.sentPlain && !e.receivedPlain
}

// mustEcho reports whether the peer may believe that we agreed. Then its packets may be marked, and it must be told
// (RFC 3168 6.1.1).
func (e *ecnHandshake) mustEcho() bool { return e.sentSetup && e.receivedSetup }
