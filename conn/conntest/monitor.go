package conntest

import (
	"fmt"

	"minitcp/conn"
	"minitcp/conn/seq"
	"minitcp/conn/wire"
)

// Monitor checks the segments that one end of a connection sends against the rules of TCP. It knows only the segments
// that the end has received and sent. A Monitor with MTU and IPHeader set is ready for use.
type Monitor struct {
	MTU, IPHeader int

	iss, irs           uint32
	issKnown, irsKnown bool
	pending            []wire.TCP // segments received before the peer's SYN was accepted

	// Of the segments sent, as offsets.
	Next seq.Offset // offset after the highest byte sent
	Ack  seq.Offset // last acknowledgment number
	Edge seq.Offset // right edge of the offered window

	offered    seq.Offset // right edge of the peer's largest window
	scale      uint8      // window scale of the end
	peerScale  uint8
	peerMSS    int
	timestamps [2]bool // option in the end's SYN and in the peer's
	scaled     [2]bool

	ecn monitorECN

	tsval   uint32 // TSVal of the last segment sent
	stamped bool   // whether tsval is set

	onlyResets  bool // whether only RSTs were received since the last Drained
	otherReason bool // whether there was another reason to send since then
}

// Received records a segment that the end receives.
func (m *Monitor) Received(s *conn.Segment) {
	h := &s.TCP
	if h.Flags.Has(wire.RST) {
		m.onlyResets = true
		return
	}
	m.otherReason = true
	if h.Flags.Has(wire.ACK) && !m.issKnown {
		return // nothing was sent that it could acknowledge
	}
	m.ecn.received(s)
	if m.irsKnown {
		if h.Flags.Has(wire.SYN) && h.Seq == m.irs {
			m.ecn.receivedSYN(h.Flags)
		}
		m.receivedWindow(h)
	} else {
		m.pending = append(m.pending, *h)
	}
}

// Challenged is called when a segment of a third party arrives, which may cause an ACK and nothing else.
func (m *Monitor) Challenged() { m.otherReason = true }

// learn is called when the end has accepted a SYN and knows the peer's initial sequence number. Of several such SYNs,
// the options are those of the first that acknowledges nothing but the end's SYN.
func (m *Monitor) learn(irs uint32) {
	m.irsKnown, m.irs = true, irs
	taken := false
	for i := range m.pending {
		h := &m.pending[i]
		if !h.Flags.Has(wire.SYN) || h.Seq != irs {
			continue
		}
		m.ecn.receivedSYN(h.Flags)
		ack := seq.Unwrap(m.iss, m.Next, h.Ack)
		if !taken && (!h.Flags.Has(wire.ACK) || 1 <= ack && ack <= m.Next) {
			taken = true
			m.timestamps[1], m.scaled[1] = h.Options.HasTimestamps, h.Options.HasWindowScale
			m.peerScale, m.peerMSS = h.Options.WindowScale, int(h.Options.MSS)
		}
	}
}

// receivedWindow records the right edge of a received window.
func (m *Monitor) receivedWindow(h *wire.TCP) {
	ack := seq.Unwrap(m.iss, m.Next, h.Ack)
	if !h.Flags.Has(wire.ACK) {
		ack = 1 // the window of a SYN begins after the end's SYN
	}
	scale := uint8(0)
	if m.scaled[0] && m.scaled[1] && !h.Flags.Has(wire.SYN) {
		scale = m.peerScale
	}
	m.offered = max(m.offered, ack+seq.Offset(h.Window)<<scale)
}

// Called records that the end has a reason to send other than a received segment.
func (m *Monitor) Called() { m.otherReason = true }

// Drained records that the end has sent all pending segments.
func (m *Monitor) Drained() { m.onlyResets, m.otherReason = false, false }

// ISS returns the initial sequence number of the end, or 0.
func (m *Monitor) ISS() uint32 { return m.iss }

// IRS returns the initial sequence number of the peer, or 0.
func (m *Monitor) IRS() uint32 { return m.irs }

// At returns the offset of the first byte of data of a sent segment.
func (m *Monitor) At(out *conn.Outgoing) seq.Offset {
	return seq.Unwrap(m.iss, m.Next, out.TCP.Seq)
}

// Sent returns the rule that a sent segment breaks, or nil. limit is the argument of Transmit, and irs the peer's
// initial sequence number as the end has it.
func (m *Monitor) Sent(limit int, irs uint32, out *conn.Outgoing) error {
	if out.TCP.Flags&(wire.ACK|wire.RST) == wire.ACK && !m.irsKnown {
		m.learn(irs)
	}
	if out.TCP.Flags.Has(wire.SYN) && !m.issKnown {
		m.issKnown, m.iss = true, out.TCP.Seq
		m.timestamps[0], m.scaled[0] = out.TCP.Options.HasTimestamps, out.TCP.Options.HasWindowScale
	}
	if m.issKnown && m.irsKnown {
		for i := range m.pending {
			m.receivedWindow(&m.pending[i])
		}
		m.pending = nil
	}
	err := m.sent(limit, out)
	if err != nil {
		return fmt.Errorf("sent %v seq %d ack %d len %d (%v): %w", out.TCP.Flags, out.TCP.Seq-m.iss, out.TCP.Ack-m.irs,
			out.Len, out.Note, err)
	}
	return nil
}

// maxDecrease is the largest difference in milliseconds that counts as a decrease of TSVal: a minute. A larger one is
// an idle period of weeks in which the clock wrapped (RFC 7323 5.5).
const maxDecrease = 60_000

// sent checks a segment and records its numbers.
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
		if back := m.tsval - h.Options.TSVal; m.stamped && 0 < back && back < maxDecrease {
			return fmt.Errorf("TSVal %d after %d", h.Options.TSVal, m.tsval)
		}
		m.tsval, m.stamped = h.Options.TSVal, true
	}
	switch {
	case n != out.Len:
		return fmt.Errorf("%d bytes of data, Len is %d", n, out.Len)
	case h.Flags.Has(wire.URG) && h.Urgent == 0:
		return fmt.Errorf("URG with urgent pointer 0")
	case h.Flags.Has(wire.RST):
		if n > 0 || h.Flags&(wire.SYN|wire.FIN) != 0 {
			return fmt.Errorf("a RST with data, SYN or FIN")
		}
		if m.onlyResets && !m.otherReason {
			return fmt.Errorf("a RST in reply to a RST")
		}
		return nil
	case h.Flags.Has(wire.SYN):
		return m.sentSYN(out)
	case !h.Flags.Has(wire.ACK):
		return fmt.Errorf("no ACK")
	case h.Options.HasTimestamps != (m.timestamps[0] && m.timestamps[1]):
		return fmt.Errorf("timestamps: %v, in the SYNs: %v", h.Options.HasTimestamps, m.timestamps)
	}
	if err := m.checkSize(limit, out); err != nil {
		return err
	}
	if err := m.checkRange(out); err != nil {
		return err
	}
	return m.checkAck(h)
}

// sentSYN checks a SYN or SYN-ACK.
func (m *Monitor) sentSYN(out *conn.Outgoing) error {
	h := &out.TCP
	switch {
	case m.iss != h.Seq:
		return fmt.Errorf("a SYN with another initial sequence number than %d", m.iss)
	case h.Flags.Has(wire.FIN):
		return fmt.Errorf("a SYN with FIN")
	case (out.Len > 0 || h.Options.FastOpen.Len > 0) && !h.Flags.Has(wire.ACK) && (m.Next > 0 || h.Options.FastOpen.Len == 0):
		return fmt.Errorf("a SYN with data and without a cookie, or a retransmission with one of them")
	case out.Len > 0 && (h.Flags.Has(wire.ACK) || out.Len > m.MTU-m.IPHeader-20-h.Options.Len()):
		return fmt.Errorf("a SYN-ACK with data, or a SYN above the MTU")
	case h.Flags.Has(wire.ACK) != m.irsKnown:
		return fmt.Errorf("ACK of a SYN: %v, peer's SYN received: %v", h.Flags.Has(wire.ACK), m.irsKnown)
	case int(h.Options.MSS) != m.MTU-m.IPHeader-20:
		return fmt.Errorf("MSS %d of MTU %d (MUST-67)", h.Options.MSS, m.MTU)
	}
	// A SYN-ACK may have fewer options than the SYN before it.
	m.timestamps[0], m.scaled[0] = h.Options.HasTimestamps, h.Options.HasWindowScale
	m.scale = h.Options.WindowScale
	m.Next = max(m.Next, 1+seq.Offset(out.Len))
	ack := seq.Offset(1)
	if h.Flags.Has(wire.ACK) {
		ack = seq.Unwrap(m.irs, m.Ack, h.Ack)
		if ack < max(m.Ack, 1) {
			return fmt.Errorf("acknowledgment number below %d", max(m.Ack, 1))
		}
		m.Ack = ack
	}
	m.Edge = max(m.Edge, ack+seq.Offset(h.Window))
	return nil
}

// checkSize checks the size of a segment against Eff.snd.MSS and the limit of Transmit (RFC 9293 3.7.1, MUST-16).
func (m *Monitor) checkSize(limit int, out *conn.Outgoing) error {
	mss := 536
	if m.IPHeader >= 40 {
		mss = 1220
	}
	if m.peerMSS > 0 {
		mss = max(m.peerMSS, 88) // smaller values are raised; see MUST-16
	}
	mss = min(mss, m.MTU-m.IPHeader-20) - out.TCP.Options.Len()
	single := out.Len
	if out.SegmentSize > 0 && out.Len > out.SegmentSize {
		single = out.SegmentSize
		if out.Len > limit {
			return fmt.Errorf("a GSO packet above the limit %d", limit)
		}
	}
	if single > mss {
		return fmt.Errorf("a segment of %d bytes, want at most %d", single, mss)
	}
	return nil
}

// checkRange checks that a segment has no gap before it and is inside the peer's window. Only a window probe may exceed
// the largest window so far.
func (m *Monitor) checkRange(out *conn.Outgoing) error {
	at := m.At(out)
	end := at + seq.Offset(out.Len)
	if out.TCP.Flags.Has(wire.FIN) {
		end++
	}
	switch {
	case at < 0 || at > m.Next:
		return fmt.Errorf("begins at %d, above SND.NXT %d", at, m.Next)
	case end > m.offered && end > at && !(out.Note == conn.NoteWindowProbe && end == at+1):
		return fmt.Errorf("ends at %d, above the largest window edge %d", end, m.offered)
	}
	m.Next = max(m.Next, end)
	return nil
}

// checkAck checks that neither the acknowledgment number nor the right edge of the window decreases (RFC 9293 3.8.6,
// SHLD-14). A scaled window is a multiple of 2^scale, so its edge may decrease by less than that (RFC 7323 2.4). SACK
// blocks must be inside the window.
func (m *Monitor) checkAck(h *wire.TCP) error {
	ack := seq.Unwrap(m.irs, m.Ack, h.Ack)
	scale := uint8(0)
	if m.scaled[0] && m.scaled[1] {
		scale = m.scale
	}
	edge := ack + seq.Offset(h.Window)<<scale
	switch {
	case ack < m.Ack:
		return fmt.Errorf("acknowledgment number below %d", m.Ack)
	case edge+1<<scale <= m.Edge:
		return fmt.Errorf("right edge of the window moved from %d to %d", m.Edge, edge)
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
