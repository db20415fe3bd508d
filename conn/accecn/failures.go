package accecn

import (
	"strings"

	"minitcp/conn/wire"
)

// Failures are the parts of AccECN that the path, or the peer, has been found not to support. The bits are those of
// Linux's tcpi_accecn_fail_mode.
type Failures uint8

const (
	// ACESent means that a SYN-ACK or SYN without AccECN has been sent or received after one with it, so the peer may not
	// use it.
	ACESent Failures = 1 << iota
	// ACEReceived means that the peer's flags report an impossible change of a codepoint, or are zero. No packets with
	// ECT are sent.
	ACEReceived
	// OptionSent means that segments with the option have been lost. None is sent.
	OptionSent
	// OptionReceived means that the option has not arrived in the handshake, or with fields of 0.
	OptionReceived
)

var failureNames = [...]string{"ACE sent", "ACE received", "option sent", "option received"}

// String returns the names of the failures, such as "ACE received, option sent", or "none".
func (f Failures) String() string {
	var list []string
	for i, name := range failureNames {
		if f>>i&1 != 0 {
			list = append(list, name)
		}
	}
	if list == nil {
		return "none"
	}
	return strings.Join(list, ", ")
}

func (s *State) fail(f Failures) { s.Failures |= f }

// MayMark reports whether packets may be sent with ECT.
func (s *State) MayMark() bool { return s.Failures&(ACESent|ACEReceived) == 0 }

// SentRepeated records that the ACK just sent with o reports data from the sequence number start as received twice.
func (s *State) SentRepeated(o *wire.AccECN, start uint32) {
	s.repeated, s.hasRepeated = start, o.Order != wire.AccECNAbsent
}

// Repeated records that data from the sequence number start has arrived once more, with the codepoint e. If an ACK
// with an option has reported it already, the option may be the reason for which the ACK was lost (RFC 9768
// 3.2.3.2.2). So it may be if ACKs with an option are followed by retransmissions again and again, with little other
// data between. A retransmission has no ECT, unlike a copy that the network has made.
func (s *State) Repeated(start uint32, e wire.ECN) {
	switch {
	case s.hasRepeated && s.repeated == start:
		s.fail(OptionSent)
	case e == wire.NotECT && s.optioned:
		s.calm = 0
		s.suspectOption()
	}
}

// suspectOption records the loss of a segment or ACK with an option.
func (s *State) suspectOption() {
	if s.suspect++; s.suspect >= maxSuspects {
		s.fail(OptionSent)
	}
}

const (
	// maxSuspects is the number of losses of which the option is taken for the reason.
	maxSuspects = 4
	// calmPackets is the number of packets with data that end the suspicion.
	calmPackets = 32
)

// SYNACKLost records that the SYN-ACK has been sent again without its option, which may be the reason for the loss. The
// first loss of a segment with an option proves it (RFC 9768 3.2.3.2.2).
func (s *State) SYNACKLost() { s.suspect = maxSuspects - 1 }

// SentData records that a segment with new data from the sequence number start and o has been sent.
func (s *State) SentData(o *wire.AccECN, start uint32) {
	if o.Order != wire.AccECNAbsent && !s.flies {
		s.flies, s.fliesAt, s.resent = true, start, false
	}
}

// Resent records that n bytes from the sequence number start have been sent again. Segments with an option are lost
// again and again, between others that arrive, if a middlebox drops them.
func (s *State) Resent(start uint32, n int) {
	if s.flies && !s.resent && s.fliesAt-start < uint32(n) {
		s.resent = true
		s.suspectOption()
	}
}

// Progress records that the peer has acknowledged the data before una. If that includes a segment with an option that
// has not been sent again, the path lets options pass.
func (s *State) Progress(una uint32) {
	if !s.flies || int32(una-s.fliesAt) <= 0 {
		return
	}
	if s.flies = false; !s.resent {
		s.passes, s.suspect = true, 0
	}
}

// TimedOut records a retransmission timeout. A segment in flight with an option may have been lost because of that (RFC
// 9768 3.2.3.2.2), unless an option has passed before.
func (s *State) TimedOut() {
	if s.flies && !s.passes {
		s.fail(OptionSent)
	}
}
