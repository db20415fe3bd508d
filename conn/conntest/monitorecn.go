package conntest

import (
	"errors"

	"minitcp/conn"
	"minitcp/conn/wire"
)

// monitorECN is what a Monitor knows of marks (RFC 3168).
type monitorECN struct {
	// Of the SYNs and SYN-ACKs sent: some set ECN up, some do not. Heard: one of the peer's does.
	setup, plain, heard bool
	marked              bool // it has received data with CE
}

// setsUp reports whether a SYN or SYN-ACK sets up ECN (RFC 3168 6.1.1).
func setsUp(f wire.Flags) bool {
	bits := f & (wire.ECE | wire.CWR)
	return f.Has(wire.ACK) && bits == wire.ECE || !f.Has(wire.ACK) && bits == wire.ECE|wire.CWR
}

func (m *monitorECN) received(s *conn.Segment) {
	m.marked = m.marked || s.ECN == wire.CE && len(s.Data) > 0
}

// sent looks at what a segment says of marks. New: none of its data was sent before.
func (m *monitorECN) sent(out *conn.Outgoing, isNew bool) error {
	f := out.TCP.Flags
	isNew = isNew && out.Len > 0 && out.Note != conn.NoteWindowProbe
	mayMark := m.setup && m.heard && !m.plain && isNew
	single := out.SegmentSize == 0 || out.Len <= out.SegmentSize
	switch {
	case out.ECN != wire.NotECT && out.ECN != wire.ECT0:
		return errors.New("as if a router had been at work: " + out.ECN.String())
	case f.Has(wire.SYN):
		return m.sentSYN(out)
	case out.ECN == wire.ECT0 && !mayMark:
		return errors.New("may be marked, but is not new data of who agreed on that")
	case f.Has(wire.CWR) && (!mayMark || !single):
		return errors.New("CWR, but is not a segment of new data")
	case f.Has(wire.ECE) && !(m.marked && m.setup && m.heard):
		return errors.New("ECE, but nothing was marked")
	}
	return nil
}

func (m *monitorECN) sentSYN(out *conn.Outgoing) error {
	f := out.TCP.Flags
	bits := f & (wire.ECE | wire.CWR)
	switch {
	case out.ECN != wire.NotECT:
		return errors.New("a SYN that may be marked")
	case bits != 0 && !setsUp(f):
		return errors.New("neither asks for ECN nor leaves it alone")
	case bits != 0 && m.plain:
		return errors.New("asks for ECN, having been without")
	case bits != 0 && f.Has(wire.ACK) && !m.heard:
		return errors.New("agrees on ECN that nobody has asked for")
	}
	m.setup, m.plain = m.setup || setsUp(f), m.plain || !setsUp(f)
	return nil
}
