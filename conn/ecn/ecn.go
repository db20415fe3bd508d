// Package ecn negotiates Explicit Congestion Notification in the handshake of a TCP connection: classic ECN (RFC 3168
// 6.1.1), or Accurate ECN (RFC 9768 3.1).
package ecn

import (
	"minitcp/conn/accecn"
	"minitcp/conn/names"
	"minitcp/conn/wire"
)

// Mode selects whether routers may mark packets instead of dropping them, and the kind of feedback. Both ends must
// agree on it in the handshake.
//
// A SYN that requests classic ECN requests it once, one that requests AccECN twice. Later retransmissions request
// nothing, in case a middlebox drops SYNs with these flags (RFC 3168 6.1.1.1, RFC 9768 3.1.4.1).
type Mode uint8

// The modes, with the value of Linux's sysctl tcp_ecn for each.
const (
	// Passive agrees to what the peer requests, and requests nothing (5). It is the default, as on Linux 7.0: agreeing
	// needs no flags that a middlebox might drop, and a peer that requests AccECN gets its counters.
	Passive Mode = iota
	// Active agrees to what the peer requests, and requests classic ECN (4).
	Active
	// Disabled neither requests ECN nor agrees to it (0).
	Disabled
	// Accurate agrees to what the peer requests, and requests AccECN (3).
	Accurate
	// ClassicPassive agrees to classic ECN, and requests nothing (2).
	ClassicPassive
	// ClassicActive requests and agrees to classic ECN (1).
	ClassicActive
)

var modeNames = [...]string{
	Passive: "passive", Active: "active", Disabled: "disabled", Accurate: "accurate", ClassicPassive: "classic-passive",
	ClassicActive: "classic-active",
}

// String returns "passive", "active", "disabled", "accurate", "classic-passive" or "classic-active".
func (m Mode) String() string { return names.Of(modeNames[:], m) }

// MarshalText implements encoding.TextMarshaler with the names of String.
func (m Mode) MarshalText() ([]byte, error) { return []byte(m.String()), nil }

// UnmarshalText implements encoding.TextUnmarshaler with the names of String.
func (m *Mode) UnmarshalText(text []byte) error {
	return names.Parse(modeNames[:], text, "ECN mode", m)
}

// requests returns the kind of ECN that a SYN requests after it has been sent the given number of times.
func (m Mode) requests(attempt int) kinds {
	switch {
	case m == Accurate && attempt < 2:
		return accurate
	case (m == Active || m == ClassicActive) && attempt < 1:
		return classic
	}
	return plain
}

// agreesTo reports whether m agrees to a kind of ECN.
func (m Mode) agreesTo(k kinds) bool {
	switch m {
	case Disabled:
		return false
	case ClassicPassive, ClassicActive:
		return k == classic
	}
	return true
}

// kinds is a set of kinds of SYNs and SYN-ACKs.
type kinds uint8

const (
	plain    kinds = 1 << iota // without ECN
	classic                    // with the flags of RFC 3168
	accurate                   // with those of RFC 9768
)

// flags are the flags of the handshake.
const flags = wire.AE | wire.CWR | wire.ECE

// Handshake records the SYNs and SYN-ACKs that have been sent and received. The first one received decides the kind of
// feedback, and later ones do not change it (RFC 9768 3.1.5).
type Handshake struct {
	sent, received kinds
	arrived        arrival
}

// arrival has the codepoint of the last SYN or SYN-ACK received, these bits, and the attempts.
type arrival uint8

const (
	passive    arrival = 1 << 2 << iota // a SYN has arrived
	initiator                           // a SYN has been sent
	inAccurate                          // AccECN mode
	codepoint  = passive - 1
)

// Received records the flags and the codepoint of a SYN or SYN-ACK that has arrived.
func (h *Handshake) Received(f wire.Flags, e wire.ECN, mode Mode) {
	k := h.kind(f, mode)
	first := h.received == 0
	if first && k == accurate {
		h.arrived |= inAccurate
	}
	if !f.Has(wire.ACK) {
		h.arrived |= passive
	}
	h.received |= k
	if first && f.Has(wire.ACK) {
		h.judge()
	}
	h.arrived = h.arrived&^codepoint | arrival(e)
}

// Declined records that the peer's SYN cannot be answered with ECN.
func (h *Handshake) Declined() { h.received |= plain }

// kind returns the kind of a SYN or SYN-ACK that has arrived.
func (h *Handshake) kind(f wire.Flags, mode Mode) kinds {
	f &= flags | wire.ACK
	if f.Has(wire.ACK) {
		return h.kindOfSYNACK(f &^ wire.ACK)
	}
	switch {
	case f == 0:
		return plain
	case f != wire.CWR|wire.ECE && h.takesAccurate(mode):
		return accurate // combinations without a meaning count as AE, CWR and ECE (RFC 9768 3.1.3)
	case f.Has(wire.CWR | wire.ECE):
		return classic
	}
	return plain
}

// takesAccurate reports whether a SYN that requests AccECN is agreed to.
//
// Deviation: in a simultaneous open, a host that has not requested AccECN does not agree to it, although RFC 9768 3.1.2
// has it reply like a server. The peer of a host that has requested classic ECN would otherwise see both kinds.
func (h *Handshake) takesAccurate(mode Mode) bool {
	switch {
	case !mode.agreesTo(accurate):
		return false
	case h.arrived&initiator == 0:
		return true
	case h.Passive():
		return h.Accurate()
	}
	return h.sent&(accurate|classic) == accurate
}

// kindOfSYNACK returns the kind of a SYN-ACK with f. Some hosts reflect the flags of the SYN, which is no agreement
// (RFC 3168 6.1.1, RFC 9768 table 2).
func (h *Handshake) kindOfSYNACK(f wire.Flags) kinds {
	switch {
	case h.sent&accurate == 0:
		if f&(wire.CWR|wire.ECE) == wire.ECE {
			return classic
		}
		return plain
	case f == 0, f == flags:
		return plain
	case f == wire.ECE:
		return classic
	}
	return accurate
}

// Offer returns the flags of a SYN or SYN-ACK with the ECN flags added, and records them. attempt is the number of
// times that it has been sent before without an answer.
//
// Once either end has sent a SYN or SYN-ACK without ECN, there is no classic ECN. The second retransmission of a
// SYN-ACK has no flags of AccECN, in case a middlebox drops it because of them (RFC 9768 3.2.3.2.2).
func (h *Handshake) Offer(f wire.Flags, mode Mode, attempt int) wire.Flags {
	k := plain
	switch {
	case !f.Has(wire.ACK):
		h.arrived |= initiator
		if h.attempts() == blocked {
			break
		}
		if k = mode.requests(attempt); k == accurate {
			f |= flags
		} else if k == classic {
			f |= wire.CWR | wire.ECE
		}
	case h.Accurate() && attempt < 2:
		k = accurate
		f |= accecn.Reflect(h.Arrived())
	case h.received&classic != 0 && !h.Accurate() && (h.sent|h.received)&plain == 0 && mode.agreesTo(classic):
		k = classic
		f |= wire.ECE
	}
	h.sent |= k
	return f
}

// Conflict reports whether the peer has sent SYNs that request classic ECN and AccECN. The connection must be reset,
// since the ends may not agree on the kind of feedback (RFC 9768 3.1.5).
func (h *Handshake) Conflict() bool {
	return h.Passive() && h.received&(classic|accurate) == classic|accurate
}

// Accurate reports whether the connection is in AccECN mode: the feedback of both directions is that of RFC 9768.
func (h *Handshake) Accurate() bool { return h.arrived&inAccurate != 0 }

// Arrived returns the codepoint of the last SYN or SYN-ACK received.
func (h *Handshake) Arrived() wire.ECN { return wire.ECN(h.arrived & codepoint) }

// Passive reports whether a SYN has arrived.
func (h *Handshake) Passive() bool { return h.arrived&passive != 0 }

// Agreed reports whether packets may be sent as ECN-capable. With classic ECN, all SYNs and SYN-ACKs in both directions
// set up ECN (RFC 3168 6.1.1). In AccECN mode this is a condition for the passive end only (RFC 9768 3.1.5).
func (h *Handshake) Agreed() bool {
	if h.Accurate() && !h.Passive() {
		return true
	}
	return (h.Accurate() || h.MustEcho()) && (h.sent|h.received)&plain == 0
}

// MustEcho reports whether the peer may assume that classic ECN is agreed on. Its packets may then be marked, and marks
// must be reported to it with ECE (RFC 3168 6.1.1).
func (h *Handshake) MustEcho() bool {
	return !h.Accurate() && h.received&classic != 0 && h.sent&(classic|accurate) != 0
}
