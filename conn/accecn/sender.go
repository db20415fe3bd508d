package accecn

import "minitcp/conn/wire"

// sender is the part of a State for the reports of the peer.
type sender struct {
	fliesAt uint32 // sequence number of the segment with data and an option that is in flight

	heard   bool // an ACE field has arrived that counts packets
	opened  bool // an option with fields has arrived
	marking bool // the last ACK has reported packets with CE
	guessed bool // the field may have wrapped unnoticed, without an option
	deaf    bool // reports have no effect: the ACE field has been zeroed
	ignores bool // options have no effect: a field has been zeroed

	flies  bool // there is one
	resent bool // it has been sent again
}

// ACK is the part of an ACK that reports counters. The ACK has acknowledged data: others may be older than the last
// one (superseded, in RFC 9768).
type ACK struct {
	Flags   wire.Flags
	Option  *wire.AccECN
	Packets int // packets that the ACK reports as delivered
	MSS     int // bytes of data in the largest of them
}

// Acknowledged takes the counters of an ACK, and returns the number of packets with CE that it reports for the first
// time (RFC 9768 3.2.2.2, 3.2.3.1).
func (s *State) Acknowledged(a *ACK) int {
	bytes, known := s.takeOption(a.Option)
	field := Field(a.Flags)
	if !s.heard {
		s.heard = true
		if field == 0 && bytes == 0 { // zeroed, or the peer has counted three packets
			s.zeroed()
		}
	}
	if s.deaf {
		return 0
	}
	least := uint32(field) - initialPackets - s.Delivered.Packets&7
	n := s.unwrap(int(least&7), a, bytes, known)
	s.Delivered.Packets += uint32(n)
	return n
}

// unwrap returns the number of packets with CE that is least, or more by a multiple of 8. Bytes is the number of bytes
// of data with CE by the option, if it is known.
//
// Without an option, the safest case is that as many of the packets as possible had CE. It is likely only while the
// peer reports marks: before the first of a series of marks, it acknowledges at once (RFC 9768 3.2.2.5).
func (s *State) unwrap(least int, a *ACK, bytes int, known bool) int {
	marking := s.marking || least > 0
	s.marking = least > 0
	safest := a.Packets - (a.Packets-least)&7
	switch {
	case a.Packets < 8:
		if known && !s.guessed && uint64(s.Delivered.Bytes[wire.CE]) > uint64(s.Delivered.Packets+uint32(least))*uint64(a.MSS) {
			s.fail(ACEReceived) // more bytes than fit into the packets: the field has been changed (RFC 9768 3.2.3.2.5)
		}
		return least
	case known:
		n := (bytes + a.MSS - 1) / a.MSS
		return min(n+(least-n)&7, safest)
	}
	if s.guessed = true; marking {
		return safest
	}
	return least
}

// takeOption takes the counters of an option. It returns the number of new bytes with CE, and whether that is known.
func (s *State) takeOption(o *wire.AccECN) (bytes int, known bool) {
	if o.Order == wire.AccECNAbsent || s.ignores {
		return 0, false
	}
	s.Failures &^= OptionReceived // the option passes now
	if !s.opened && o.Count > 0 {
		s.opened = true
		for i, v := range o.Fields[:o.Count] {
			if v == 0 && o.Codepoint(i) != wire.CE { // zeroed: it begins at 1 (RFC 9768 3.2.3.2.4)
				s.ignores = true
				s.fail(OptionReceived)
				return 0, false
			}
		}
	}
	var increases [4]uint32
	for i, v := range o.Fields[:o.Count] {
		e := o.Codepoint(i)
		increases[e] = (v - initialBytes(e) - s.Delivered.Bytes[e]) & fieldMask
		if increases[e] > fieldMask/2 {
			return 0, false // older than the last option
		}
	}
	// An option that omits the counter of CE has lacked room if that has changed before.
	known = o.Count >= 2 || o.Count == 1 && s.Delivered.Bytes[wire.CE] == 0
	for e, n := range increases {
		s.Delivered.Bytes[e] += n
	}
	return int(increases[wire.CE]), known
}

// SYNACKed takes the flags and the option of the SYN-ACK that has made the client enter AccECN mode.
func (s *State) SYNACKed(f wire.Flags, o *wire.AccECN) { s.reflected(f, o) }

// HandshakeACKed takes the flags and the option of a pure ACK of the SYN-ACK, without SACK blocks (RFC 9768 table 4).
func (s *State) HandshakeACKed(f wire.Flags, o *wire.AccECN) {
	if Field(f) == 0 {
		s.zeroed()
		return
	}
	s.reflected(f, o)
	if Reflected(f) == wire.CE {
		s.Delivered.Packets = 1
	}
}

// reflected takes the report of the codepoint with which a SYN or SYN-ACK has arrived. It was sent as Not-ECT. If the
// codepoint has changed on the way, packets with ECT might also be changed (RFC 9768 3.2.2.3).
func (s *State) reflected(f wire.Flags, o *wire.AccECN) {
	if Reflected(f) != wire.NotECT {
		s.fail(ACEReceived)
	}
	s.ExpectOption(o)
}

// ExpectOption takes the option of the first segment after the SYN. Without one, options do not arrive (RFC 9768
// 3.2.3.2.3).
func (s *State) ExpectOption(o *wire.AccECN) {
	if s.takeOption(o); o.Order == wire.AccECNAbsent {
		s.fail(OptionReceived)
	}
}

// zeroed records that the ACE field does not arrive.
func (s *State) zeroed() {
	s.deaf = true
	s.fail(ACEReceived)
}
