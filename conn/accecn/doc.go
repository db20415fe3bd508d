// Package accecn has the counters of Accurate ECN (RFC 9768): those of the receiver, which count packets and bytes by
// the codepoint with which they arrive, and those of the sender, which follow the receiver's counters at the peer.
//
// Every segment carries the low 3 bits of the receiver's count of packets with CE, in the ACE field. ACKs also carry an
// option with the low 24 bits of the counts of bytes if one of these has changed, and three times in a round trip
// otherwise. The sender restores the counts from both. If the option is missing, it estimates by the number of packets
// acknowledged whether the 3 bits have wrapped.
//
//	field.go      the ACE field, and the codepoints that it reports during the handshake
//	receiver.go   the counters of packets that have arrived, and the ACKs and options that report them
//	sender.go     the counters of packets sent, from the reports of the peer
//	failures.go   failures of the path: a zeroed field, a removed option, segments lost because of an option
//	info.go       the counters for observers
//
// Package ecn has the negotiation.
package accecn

import (
	"minitcp/conn/clock"
	"minitcp/conn/wire"
)

// State is the state of a connection in AccECN mode, of both directions.
type State struct {
	Received  Counters // of packets that have arrived (r.cep, r.e0b, r.e1b, r.ceb)
	Delivered Counters // of packets sent, as far as the peer has reported them (s.cep, s.e0b, s.e1b, s.ceb)

	lastOption clock.Time // when the last option was sent
	Failures   Failures

	Reflects  bool // the next ACK reports the codepoint of a SYN-ACK; for the caller
	Handshake bool // the ACK at hand reports that of our SYN-ACK, and counts nothing; for the caller

	receiver
	sender
}

// Counters count packets and bytes of data by codepoint. They begin at 0; the fields add the initial values of RFC 9768
// 3.2.1.
type Counters struct {
	Packets uint32    // packets with CE, with data or not
	Bytes   [4]uint32 // bytes of data, indexed by codepoint; those of Not-ECT are not counted
}

// initialPackets is the initial value of the counter of packets. It is not 0, so that a zeroed field is recognized.
const initialPackets = 5

// initialBytes returns the initial value of a counter of bytes.
func initialBytes(e wire.ECN) uint32 {
	if e == wire.CE {
		return 0
	}
	return 1
}

// New returns the state at the time at which a host enters AccECN mode.
func New(o Options) *State { return &State{receiver: receiver{demand: uint8(o)}} }

// Options is the number of the first segments that carry an option even if no counter has changed, to test the path.
type Options uint8

const (
	// ServerOptions are those of the first segment after the SYN-ACK, which may have been sent again without its option.
	ServerOptions Options = 1
	// ClientOptions are those of the ACK of the SYN-ACK and the first segment with data, since the ACK may be lost (RFC
	// 9768 3.2.3.2.1).
	ClientOptions Options = 2
)
