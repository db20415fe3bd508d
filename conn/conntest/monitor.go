package conntest

import (
	"fmt"

	"minitcp/conn"
	"minitcp/conn/seq"
	"minitcp/conn/wire"
)

// Monitor watches the segments one end of a connection receives and sends, from its SYN on, and says when one it sends
// breaks a rule. It knows nothing but the segments. The zero value, with MTU and IPHeader set, is ready.
type Monitor struct {
	MTU, IPHeader int

	iss, irs           uint32
	issKnown, irsKnown bool
	early              []wire.TCP // received while it was not known which SYN would be taken

	// Of what the end sends, as offsets.
	Next seq.Offset // one past the highest octet sent
	Ack  seq.Offset // its last acknowledgment number
	Edge seq.Offset // where the window it offered ends

	offered    seq.Offset // where the largest window its peer offered ends
	scale      uint8      // of its windows
	peerScale  uint8
	peerMSS    int
	timestamps [2]bool // has each SYN had them: ours, the peer's
	scaled     [2]bool

	ecn monitorECN

	tsval   uint32 // TSVal of the last segment sent
	stamped bool   // tsval is set

	reset bool // all it received since it last sent is RSTs
	other bool // there has been another reason to send
}

// Received notes a segment that is given to the end.
func (m *Monitor) Received(s *conn.Segment) {
	h := &s.TCP
	if h.Flags.Has(wire.RST) {
		m.reset = true
		return
	}
	m.other = true
	m.ecn.received(s)
	if m.irsKnown {
		m.ecn.heard = m.ecn.heard || h.Flags.Has(wire.SYN) && h.Seq == m.irs && setsUp(h.Flags)
		m.receivedWindow(h)
	} else {
		m.early = append(m.early, *h)
	}
}

// learn is called when the end has taken a SYN: it knows the peer's initial sequence number. Of several SYNs with that it is
// the first that acknowledges nothing but ours.
func (m *Monitor) learn(irs uint32) {
	m.irsKnown, m.irs = true, irs
	taken := false
	for i := range m.early {
		h := &m.early[i]
		if !h.Flags.Has(wire.SYN) || h.Seq != irs {
			continue
		}
		m.ecn.heard = m.ecn.heard || setsUp(h.Flags) // one may come after the other
		if !taken && (!h.Flags.Has(wire.ACK) || h.Ack == m.iss+1) {
			taken = true
			m.timestamps[1], m.scaled[1] = h.Options.HasTimestamps, h.Options.HasWindowScale
			m.peerScale, m.peerMSS = h.Options.WindowScale, int(h.Options.MSS)
		}
	}
}

// receivedWindow notes where the window a segment offers ends.
func (m *Monitor) receivedWindow(h *wire.TCP) {
	ack := seq.Unwrap(m.iss, m.Next, h.Ack)
	if !h.Flags.Has(wire.ACK) {
		ack = 1 // a SYN's window begins after ours
	}
	scale := uint8(0)
	if m.scaled[0] && m.scaled[1] && !h.Flags.Has(wire.SYN) {
		scale = m.peerScale
	}
	m.offered = max(m.offered, ack+seq.Offset(h.Window)<<scale)
}

// Called notes that the end has had another reason to send than a segment.
func (m *Monitor) Called() { m.other = true }

// Drained notes that everything that was to be sent has been.
func (m *Monitor) Drained() { m.reset, m.other = false, false }

// ISS and IRS are the initial sequence numbers, as far as they have been seen.
func (m *Monitor) ISS() uint32 { return m.iss }
func (m *Monitor) IRS() uint32 { return m.irs }

// At is the offset of the first octet of data in a segment the end has sent.
func (m *Monitor) At(out *conn.Outgoing) seq.Offset {
	return seq.Unwrap(m.iss, m.Next, out.TCP.Seq)
}

// Sent returns what is wrong with a segment the end sends when it was asked for at most limit octets. Irs is what it
// takes for its peer's initial sequence number.
func (m *Monitor) Sent(limit int, irs uint32, out *conn.Outgoing) error {
	if out.TCP.Flags&(wire.ACK|wire.RST) == wire.ACK && !m.irsKnown {
		m.learn(irs)
	}
	if out.TCP.Flags.Has(wire.SYN) && !m.issKnown {
		m.issKnown, m.iss = true, out.TCP.Seq
		m.timestamps[0], m.scaled[0] = out.TCP.Options.HasTimestamps, out.TCP.Options.HasWindowScale
	}
	if m.issKnown && m.irsKnown {
		for i := range m.early {
			m.receivedWindow(&m.early[i])
		}
		m.early = nil
	}
	err := m.sent(limit, out)
	if err != nil {
		return fmt.Errorf("sent %v seq %d ack %d len %d (%v): %w", out.TCP.Flags, out.TCP.Seq-m.iss, out.TCP.Ack-m.irs,
			out.Len, out.Note, err)
	}
	return nil
}

// maxBack is the number of milliseconds by which a TSVal is less than the one before, if it is: a minute. What seems to be
// more is a pause of weeks, in which the clock has gone half around (RFC 7323 5.5).
const maxBack = 60_000

func (m *Monitor) sent(limit int, out *conn.Outgoing) error {
	h := &out.TCP
	n := 0
	for _, piece := range out.Data {
		n += len(piece)
	}
	if err := m.ecn.sent(out, m.At(out) >= m.Next); err != nil {
		return err
	}
	if h.Options.HasTimestamps {
		if back := m.tsval - h.Options.TSVal; m.stamped && 0 < back && back < maxBack {
			return fmt.Errorf("TSVal %d after %d", h.Options.TSVal, m.tsval)
		}
		m.tsval, m.stamped = h.Options.TSVal, true
	}
	switch {
	case n != out.Len:
		return fmt.Errorf("%d octets in pieces", n)
	case h.Flags.Has(wire.URG) && h.Urgent == 0:
		return fmt.Errorf("URG and no pointer")
	case h.Flags.Has(wire.RST):
		if n > 0 || h.Flags&(wire.SYN|wire.FIN) != 0 {
			return fmt.Errorf("a RST with more")
		}
		if m.reset && !m.other {
			return fmt.Errorf("a RST answers a RST")
		}
		return nil
	case h.Flags.Has(wire.SYN):
		return m.sentSYN(out)
	case !h.Flags.Has(wire.ACK):
		return fmt.Errorf("no ACK")
	case h.Options.HasTimestamps != (m.timestamps[0] && m.timestamps[1]):
		return fmt.Errorf("timestamps %v, in the SYNs %v", h.Options.HasTimestamps, m.timestamps)
	}
	if err := m.checkSize(limit, out); err != nil {
		return err
	}
	if err := m.checkPlace(out); err != nil {
		return err
	}
	return m.checkAck(h)
}

func (m *Monitor) sentSYN(out *conn.Outgoing) error {
	h := &out.TCP
	switch {
	case m.iss != h.Seq:
		return fmt.Errorf("another initial sequence number than %d", m.iss)
	case out.Len > 0 || h.Flags.Has(wire.FIN):
		return fmt.Errorf("a SYN with more")
	case h.Flags.Has(wire.ACK) != m.irsKnown:
		return fmt.Errorf("a SYN has ACK when the peer's has come")
	case int(h.Options.MSS) != m.MTU-m.IPHeader-20:
		return fmt.Errorf("MSS %d of MTU %d (MUST-67)", h.Options.MSS, m.MTU)
	}
	m.timestamps[0], m.scaled[0] = h.Options.HasTimestamps, h.Options.HasWindowScale // a SYN-ACK after a SYN may have less
	m.scale = h.Options.WindowScale
	m.Next = max(m.Next, 1)
	m.Edge = max(m.Edge, 1+seq.Offset(h.Window))
	return nil
}

// checkSize holds the segment against Eff.snd.MSS (RFC 9293 3.7.1, MUST-16) and the limit asked for.
func (m *Monitor) checkSize(limit int, out *conn.Outgoing) error {
	mss := 536
	if m.IPHeader >= 40 {
		mss = 1220
	}
	if m.peerMSS > 0 {
		mss = max(m.peerMSS, 88) // less is not believed
	}
	mss = min(mss, m.MTU-m.IPHeader-20) - out.TCP.Options.Len()
	single := out.Len
	if out.SegmentSize > 0 && out.Len > out.SegmentSize {
		single = out.SegmentSize
		if out.Len > limit {
			return fmt.Errorf("a superframe above the limit %d", limit)
		}
	}
	if single > mss {
		return fmt.Errorf("%d octets in one segment of at most %d", single, mss)
	}
	return nil
}

// checkPlace holds the segment against the peer's window: only a probe goes beyond every window there was.
func (m *Monitor) checkPlace(out *conn.Outgoing) error {
	at := m.At(out)
	end := at + seq.Offset(out.Len)
	if out.TCP.Flags.Has(wire.FIN) {
		end++
	}
	switch {
	case at < 0 || at > m.Next:
		return fmt.Errorf("begins at %d, but the highest octet sent is %d", at, m.Next)
	case end > m.offered && end > at && !(out.Note == conn.NoteWindowProbe && end == at+1):
		return fmt.Errorf("ends at %d, beyond every window: %d", end, m.offered)
	}
	m.Next = max(m.Next, end)
	return nil
}

// checkAck: neither the acknowledgment number nor the window's edge moves back (RFC 9293 3.8.6, SHLD-14); but a window
// that is a multiple of 2^scale cannot end on every octet (RFC 7323 2.4).
func (m *Monitor) checkAck(h *wire.TCP) error {
	ack := seq.Unwrap(m.irs, m.Ack, h.Ack)
	scale := uint8(0)
	if m.scaled[0] && m.scaled[1] {
		scale = m.scale
	}
	edge := ack + seq.Offset(h.Window)<<scale
	switch {
	case ack < m.Ack:
		return fmt.Errorf("acknowledged %d before", m.Ack)
	case edge+1<<scale <= m.Edge:
		return fmt.Errorf("offered up to %d before, now %d", m.Edge, edge)
	}
	m.Ack, m.Edge = ack, max(m.Edge, edge)
	for i, s := range h.Options.SACK[:h.Options.SACKCount] {
		left, right := seq.Unwrap(m.irs, ack, s.Left), seq.Unwrap(m.irs, ack, s.Right)
		twice := i == 0 && left >= 1 && right <= ack // a D-SACK (RFC 2883)
		if left <= ack && !twice || right <= left || right > m.Edge {
			return fmt.Errorf("SACK block %d is %d to %d, ack %d, edge %d", i, left, right, ack, m.Edge)
		}
	}
	return nil
}
