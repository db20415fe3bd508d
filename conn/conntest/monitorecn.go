package conntest

import (
	"errors"

	"minitcp/conn"
	"minitcp/conn/wire"
)

// monitorECN is the part of a [Monitor] for ECN (RFC 3168).
type monitorECN struct {
	// Whether a SYN or SYN-ACK was sent with ECN, was sent without it, and was received with it.
	offered, declined, peerOffered bool
	marked                         bool // whether data with CE was received
}

// offersECN reports whether a SYN or SYN-ACK negotiates ECN (RFC 3168 6.1.1).
func offersECN(f wire.Flags) bool {
	bits := f & (wire.ECE | wire.CWR)
	return f.Has(wire.ACK) && bits == wire.ECE || !f.Has(wire.ACK) && bits == wire.ECE|wire.CWR
}

// received records a received segment.
func (m *monitorECN) received(s *conn.Segment) {
	m.marked = m.marked || s.ECN == wire.CE && len(s.Data) > 0
}

// sent returns the rule of ECN that a segment breaks, or nil. isNew is true if none of its data was sent before.
func (m *monitorECN) sent(out *conn.Outgoing, isNew bool) error {
	f := out.TCP.Flags
	isNew = isNew && out.Len > 0 && out.Note != conn.NoteWindowProbe
	mayMark := m.offered && m.peerOffered && !m.declined && isNew
	single := out.SegmentSize == 0 || out.Len <= out.SegmentSize
	switch {
	case out.ECN != wire.NotECT && out.ECN != wire.ECT0:
		return errors.New("sent with " + out.ECN.String())
	case f.Has(wire.SYN):
		return m.sentSYN(out)
	case out.ECN == wire.ECT0 && !mayMark:
		return errors.New("ECT(0) on a segment that is not new data on a connection with ECN")
	case f.Has(wire.CWR) && (!mayMark || !single):
		return errors.New("CWR on a packet that is not a single segment of new data with ECN")
	case f.Has(wire.ECE) && !(m.marked && m.offered && m.peerOffered):
		return errors.New("ECE without a received CE mark or without ECN")
	}
	return nil
}

// sentSYN checks the ECN flags of a SYN or SYN-ACK.
func (m *monitorECN) sentSYN(out *conn.Outgoing) error {
	f := out.TCP.Flags
	bits := f & (wire.ECE | wire.CWR)
	switch {
	case out.ECN != wire.NotECT:
		return errors.New("a SYN with ECT")
	case bits != 0 && !offersECN(f):
		return errors.New("a SYN with an invalid combination of ECE and CWR")
	case bits != 0 && m.declined:
		return errors.New("a SYN with ECN after one without")
	case bits != 0 && f.Has(wire.ACK) && !m.peerOffered:
		return errors.New("a SYN-ACK with ECN in reply to a SYN without")
	}
	m.offered, m.declined = m.offered || offersECN(f), m.declined || !offersECN(f)
	return nil
}
