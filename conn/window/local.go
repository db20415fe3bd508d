package window

import "minitcp/conn/seq"

// Local is the window that this end advertises.
type Local struct {
	Edge          seq.Offset // first byte beyond the window; never decreases (SHLD-14)
	LastACK       seq.Offset // Last.ACK.sent
	readAtLastACK seq.Offset // end of the data read at that time
}

// Space describes the receive buffer.
type Space struct {
	Start, End seq.Offset // of the unread data in order
	Next       seq.Offset // RCV.NXT: End, or one more after the peer's FIN
	Limit      int64      // largest number of unread bytes now
	Useful     int64      // least amount by which the edge advances: a full segment or half of the buffer
	Scale      uint8      // Rcv.Wind.Shift
}

// edge returns the largest window edge that the buffer permits.
func (s *Space) edge() seq.Offset {
	room := s.Limit - int64(s.End-s.Start)
	return s.End + seq.Offset(max(0, min(room, MaxField<<s.Scale)))
}

// Announce advances the edge if that is useful, and returns the window field of an ACK. The edge never decreases, and
// advances only by a useful amount (receiver's silly window avoidance, RFC 9293 3.8.6.2.2, MUST-39).
func (l *Local) Announce(s *Space) uint16 {
	unit := int64(1) << s.Scale
	if edge := s.edge(); int64(edge-l.Edge) >= s.Useful {
		l.Edge = max(l.Edge, edge-(edge-s.Next)%seq.Offset(unit)) // not beyond the edge that the field can express
	}
	// The field is rounded up: rounding down would move the edge back by up to 2^scale-1 bytes (RFC 7323 2.4). Segments
	// with fewer bytes than that would advance the edge without limit, so beyond the buffer it is rounded down.
	open := max(0, int64(l.Edge-s.Next))
	field := min((open+unit-1)>>s.Scale, MaxField)
	if edge := s.Next + seq.Offset(field<<s.Scale); edge <= s.Start+seq.Offset(s.Limit) {
		l.Edge = max(l.Edge, edge)
	} else {
		field = min(open>>s.Scale, MaxField)
	}
	l.LastACK, l.readAtLastACK = s.Next, s.Start
	return uint16(field)
}

// UpdateDue reports whether the peer needs an ACK with a larger window after the application has read data: the window
// was nearly closed, or a quarter of the buffer has become free since the last ACK.
func (l *Local) UpdateDue(s *Space) bool {
	wasClosed := int64(l.Edge-s.Next) < s.Useful
	return int64(s.edge()-l.Edge) >= s.Useful && (wasClosed || int64(s.Start-l.readAtLastACK) >= s.Limit/4)
}
