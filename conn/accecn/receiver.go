package accecn

import (
	"time"

	"minitcp/conn/clock"
	"minitcp/conn/wire"
)

// receiver is the part of a State that decides when the counters are reported.
type receiver struct {
	repeated uint32 // first sequence number that the last ACK has reported as received twice, if it had an option

	last     wire.ECN // codepoint of the last packet
	lastData wire.ECN // codepoint of the last packet with data that had one
	ever     uint8    // codepoints whose bytes have been counted, as bits
	changed  uint8    // of these, those counted since the last option
	demand   uint8    // segments that carry an option even if no counter has changed
	pending  uint8    // packets with CE since the last ACK, at most maxPending

	hasRepeated bool  // repeated is valid
	optioned    bool  // the last segment sent had an option
	passes      bool  // a segment with data and an option has been acknowledged, and not sent again
	suspect     uint8 // losses in a row that an option may have caused, see Repeated and Resent
	calm        uint8 // packets with data since the last retransmission that followed an ACK with an option
}

// maxPending is the largest number of packets with CE that is kept for the decision to send an ACK.
const maxPending = 15

// Arrived counts packets, which have arrived together with the codepoint e and n bytes of data. It reports whether an
// ACK is due at once: the first data with CE after a packet without, or the second packet with CE since the last ACK
// while data is unacknowledged, otherwise the third (RFC 9768 3.2.2.5.1).
//
// A GSO packet counts as its packets, and causes one ACK, which the RFC permits. The sender restores the count from the
// option.
func (s *State) Arrived(e wire.ECN, packets, n int, unacknowledged bool) bool {
	edge := e == wire.CE && s.last != wire.CE && n > 0
	s.last = e
	if n > 0 {
		if s.calm++; s.calm >= calmPackets {
			s.suspect, s.calm = 0, 0
		}
	}
	if e == wire.NotECT {
		return false
	}
	if n > 0 {
		s.Received.Bytes[e] += uint32(n)
		if e != s.lastData || e == wire.CE {
			s.demand = 2 // the next ACK and, since that may be lost, the one after it (RFC 9768 3.2.3.3)
		}
		s.lastData = e
		s.ever |= 1 << e
		s.changed |= 1 << e
	}
	if e != wire.CE {
		return false
	}
	s.Received.Packets += uint32(packets)
	s.pending = uint8(min(int(s.pending)+packets, maxPending))
	return edge || s.pending >= 3 || s.pending == 2 && unacknowledged
}

// ArrivedSYNACK counts the codepoint e of a SYN-ACK with n bytes of new data. CE is counted once for a connection (RFC
// 9768 3.2.2.2).
func (s *State) ArrivedSYNACK(e wire.ECN, n int) {
	received := s.Received.Packets
	s.Arrived(e, 1, n, false)
	s.Received.Packets, s.pending = received, 0
	if e == wire.CE {
		s.Received.Packets = max(received, 1)
	}
}

// InitialACE returns the flags of the ACE field before a packet with CE has arrived.
func InitialACE() wire.Flags { return FieldFlags(initialPackets) }

// ACE returns the flags of the ACE field of a segment that is not part of the handshake.
func (s *State) ACE() wire.Flags { return FieldFlags(initialPackets + s.Received.Packets) }

// OptionDue reports whether an ACK at the time now carries an option: a counter of bytes has changed, it is one of two
// ACKs after the codepoint has changed (RFC 9768 3.2.3.3, the recommended simple scheme), or the last option is a third
// of a round trip ago. The counters that an option without a change repeats may have been lost. srtt is 0 if no round
// trip has been measured.
func (s *State) OptionDue(now clock.Time, srtt time.Duration) bool {
	if s.Failures&OptionSent != 0 {
		return false
	}
	again := srtt > 0 && now.Sub(s.lastOption) >= max(srtt/repetitions, minRepetition)
	return s.changed|s.demand != 0 || again
}

const (
	// repetitions is the number of options in a round trip if no counter changes, as Linux's tcp_ecn_option_beacon.
	repetitions = 3
	// minRepetition is the least time between such options. Otherwise they would take room from all data if the round
	// trip is short.
	minRepetition = time.Millisecond
)

// Option returns the option that fits into room bytes of header: all counters, in the order that Linux uses, or those
// that have ever changed or, if these do not fit, those that have changed since the last option. If these do not fit,
// there is no option (RFC 9768 3.2.3.3).
func (s *State) Option(room int) wire.AccECN {
	if all := s.all(); all.Len() <= room {
		return s.fill(all)
	}
	for _, set := range [...]uint8{s.ever, s.changed} {
		if o := s.choose(set); o.Len() <= room {
			return s.fill(o)
		}
	}
	return wire.AccECN{}
}

// Intro returns the option of a SYN-ACK, in which all counters have their initial values. It has the fields that fit
// into room bytes of header.
func Intro(room int) wire.AccECN {
	var s State
	return s.shorten(s.all(), room)
}

// all returns the option, without values, that has all fields.
func (*receiver) all() wire.AccECN { return wire.AccECN{Order: wire.AccECN1, Count: 3} }

// choose returns the shortest option, without values, that has the fields of a set of codepoints.
func (*receiver) choose(set uint8) wire.AccECN {
	o := wire.AccECN{Order: wire.AccECN0}
	if set&(1<<wire.ECT0|1<<wire.ECT1) == 1<<wire.ECT1 {
		o.Order = wire.AccECN1
	}
	for i := range o.Fields {
		if set>>o.Codepoint(i)&1 != 0 {
			o.Count = uint8(i + 1)
		}
	}
	return o
}

// shorten removes fields from the end of an option until it fits into room bytes, and sets the others.
func (s *State) shorten(o wire.AccECN, room int) wire.AccECN {
	for o.Count > 0 && o.Len() > room {
		o.Count--
	}
	if o.Len() > room {
		return wire.AccECN{}
	}
	return s.fill(o)
}

// fill sets the fields of an option.
func (s *State) fill(o wire.AccECN) wire.AccECN {
	for i := range o.Count {
		e := o.Codepoint(int(i))
		o.Fields[i] = (initialBytes(e) + s.Received.Bytes[e]) & fieldMask
	}
	return o
}

// fieldMask has the bits of a field of the option.
const fieldMask = 1<<24 - 1

// Sent records that a segment with the ACE field and o has been sent at the time now.
func (s *State) Sent(now clock.Time, o *wire.AccECN) {
	s.pending, s.hasRepeated, s.optioned = 0, false, o.Order != wire.AccECNAbsent
	if o.Order == wire.AccECNAbsent {
		return
	}
	s.changed, s.lastOption = 0, now
	s.demand -= min(s.demand, 1)
}
