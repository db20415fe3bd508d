package conntest

import (
	"errors"
	"fmt"

	"minitcp/conn"
	"minitcp/conn/accecn"
	"minitcp/conn/wire"
)

// monitorECN is the part of a [Monitor] for ECN (RFC 3168, RFC 9768).
type monitorECN struct {
	// Whether a SYN or SYN-ACK was sent with ECN, was sent without it, and was received with it.
	offered, declined, peerOffered bool
	marked                         bool // whether data with CE was received

	// Whether a SYN or SYN-ACK with AccECN was sent and received.
	accurateOffered, peerAccurate bool
	peerOther                     bool  // whether one without AccECN was received, which decides if it was the first
	field                         uint8 // last ACE field sent that is a counter
	counted                       int   // sum of the increases of field
	marks                         int   // packets received with CE
}

// accurate reports whether the connection is in AccECN mode.
func (m *monitorECN) accurate() bool { return m.accurateOffered && m.peerAccurate }

// offersAccurate reports whether a SYN requests AccECN, or a SYN-ACK agrees to it (RFC 9768 3.1.2, 3.1.3).
func offersAccurate(f wire.Flags) bool {
	if n := accecn.Field(f); f.Has(wire.ACK) {
		return n > 1 && n < 7
	} else {
		return n != 0 && n != 3
	}
}

// offersECN reports whether a SYN or SYN-ACK negotiates ECN (RFC 3168 6.1.1).
func offersECN(f wire.Flags) bool {
	bits := f & (wire.ECE | wire.CWR)
	return f.Has(wire.ACK) && bits == wire.ECE || !f.Has(wire.ACK) && bits == wire.ECE|wire.CWR
}

// receivedSYN records a SYN of the peer. ECN may be in a later copy.
func (m *monitorECN) receivedSYN(f wire.Flags) {
	m.peerOffered = m.peerOffered || offersECN(f)
	accurate := offersAccurate(f)
	m.peerAccurate, m.peerOther = m.peerAccurate || accurate, m.peerOther || !accurate
}

// received records a received segment.
func (m *monitorECN) received(s *conn.Segment) {
	m.marked = m.marked || s.ECN == wire.CE && len(s.Data) > 0
	if s.ECN == wire.CE && s.TCP.Flags&(wire.SYN|wire.ACK) != wire.SYN {
		m.marks += max(1, (len(s.Data)+s.SegmentSize-1)/max(1, s.SegmentSize))
	}
}

// sent returns the rule of ECN that a segment breaks, or nil. isNew is true if none of its data was sent before.
func (m *monitorECN) sent(out *conn.Outgoing, isNew bool) error {
	f := out.TCP.Flags
	isNew = isNew && out.Len > 0 && out.Note != conn.NoteWindowProbe
	mayMark := (m.offered && m.peerOffered && !m.declined || m.accurate()) && isNew
	single := out.SegmentSize == 0 || out.Len <= out.SegmentSize
	switch {
	case out.ECN != wire.NotECT && out.ECN != wire.ECT0:
		return errors.New("sent with " + out.ECN.String())
	case f.Has(wire.SYN):
		return m.sentSYN(out)
	case out.ECN == wire.ECT0 && !mayMark:
		return errors.New("ECT(0) on a segment that is not new data on a connection with ECN")
	case m.peerOther && accecn.Field(f) == 0 && out.ECN == wire.NotECT:
		return nil
	case m.accurate() && f.Has(wire.RST):
		return nil // the field has no effect
	case m.accurate():
		return m.sentField(out, single)
	case f.Has(wire.AE):
		return errors.New("AE without AccECN")
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
	if n := accecn.Field(f); n == 7 || offersAccurate(f) && n != 5 && m.peerAccurate {
		m.accurateOffered, m.field = true, 5
		if f.Has(wire.ACK) {
			return nil
		}
	}
	switch {
	case f.Has(wire.AE) && !m.accurateOffered:
		return errors.New("a SYN with an invalid combination of AE, ECE and CWR")
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

// sentField checks the ACE field of a segment in AccECN mode. It begins at 5, counts no more than the packets received
// with CE, and is never part of a GSO packet with CWR. The ACK of a SYN-ACK reports a codepoint instead (RFC 9768
// 3.2.2).
func (m *monitorECN) sentField(out *conn.Outgoing, single bool) error {
	n := accecn.Field(out.TCP.Flags)
	counted := m.counted + int(n-m.field)&7
	switch {
	case out.TCP.Flags.Has(wire.CWR) && !single:
		return errors.New("a GSO packet with CWR in its ACE field")
	case counted <= m.marks:
		m.field, m.counted = n, counted
	case out.Len > 0 || out.TCP.Options.SACKCount > 0 || accecn.FieldFlags(uint32(n)) != accecn.Reflect(accecn.Reflected(out.TCP.Flags)):
		return fmt.Errorf("ACE field %d after %d: %d packets had CE", n, m.field, m.marks)
	}
	return nil
}
