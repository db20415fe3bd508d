package conntest

import (
	"testing"

	"minitcp/conn"
	"minitcp/conn/wire"
)

// established returns a monitor after a handshake. Our sequence numbers begin at 1000 and our window is 3000. The
// peer's sequence numbers begin at 2000, its window is 5000 and its MSS 1000.
func established(t *testing.T) *Monitor {
	m := &Monitor{MTU: 1500, IPHeader: 20}
	for _, s := range []conn.Outgoing{
		{TCP: wire.TCP{Flags: wire.SYN, Seq: 1000, Window: 3000, Options: wire.Options{MSS: 1460}}},
		{TCP: wire.TCP{Flags: wire.ACK, Seq: 1001, Ack: 2001, Window: 3000}},
	} {
		if err := m.Sent(1, 2000, &s); err != nil {
			t.Fatal(err)
		}
		m.Received(&conn.Segment{TCP: wire.TCP{Flags: wire.SYN | wire.ACK, Seq: 2000, Ack: 1001, Window: 5000, Options: wire.Options{MSS: 1000}}})
		m.Drained()
	}
	return m
}

// The monitor reports each broken rule of TCP.
func TestMonitor(t *testing.T) {
	data := func(n int) ([][]byte, int) { return [][]byte{make([]byte, n)}, n }
	segment := func(flags wire.Flags, seq, ack uint32, window uint16, n int) conn.Outgoing {
		out := conn.Outgoing{TCP: wire.TCP{Flags: flags, Seq: 1000 + seq, Ack: 2000 + ack, Window: window}}
		out.Data, out.Len = data(n)
		return out
	}
	change := func(out conn.Outgoing, f func(*conn.Outgoing)) conn.Outgoing {
		f(&out)
		return out
	}
	sack := func(out conn.Outgoing, blocks ...wire.SACKBlock) conn.Outgoing {
		out.TCP.Options.SACKCount = uint8(copy(out.TCP.Options.SACK[:], blocks))
		return out
	}
	full := segment(wire.ACK, 1, 1, 3000, 1000)
	for _, c := range []struct {
		name string
		out  conn.Outgoing
		ok   bool
	}{
		{"a full segment", full, true},
		{"a GSO packet", change(segment(wire.ACK, 1, 1, 3000, 4000), func(out *conn.Outgoing) { out.SegmentSize = 1000 }), true},
		{"a GSO packet above the limit", change(segment(wire.ACK, 1, 1, 3000, 4001), func(out *conn.Outgoing) { out.SegmentSize = 1000 }), false},
		{"more than the MSS", segment(wire.ACK, 1, 1, 3000, 1001), false},
		{"more than the MSS with options", change(full, func(out *conn.Outgoing) { out.TCP.Options.SACKPermitted = true }), false},
		{"Len differs from the data", change(full, func(out *conn.Outgoing) { out.Len-- }), false},
		{"no ACK", segment(0, 1, 1, 3000, 10), false},
		{"timestamps that were not negotiated", change(full, func(out *conn.Outgoing) { out.TCP.Options.HasTimestamps = true; out.Data, out.Len = nil, 0 }), false},
		{"a gap", segment(wire.ACK, 2, 1, 3000, 10), false},
		{"a decreasing acknowledgment number", segment(wire.ACK, 1, 0, 3001, 0), false},
		{"a window that shrinks", segment(wire.ACK, 1, 1, 2999, 0), false},
		{"a window used up", segment(wire.ACK, 1, 3001, 0, 0), true},
		{"URG without a pointer", segment(wire.ACK|wire.URG, 1, 1, 3000, 10), false},
		{"a SYN with data", segment(wire.SYN|wire.ACK, 0, 1, 3000, 1), false},
		{"another SYN", change(segment(wire.SYN|wire.ACK, 5, 1, 3000, 0), func(out *conn.Outgoing) { out.TCP.Options.MSS = 1460 }), false},
		{"a RST", segment(wire.RST, 1, 0, 0, 0), true},
		{"a RST with data", segment(wire.RST, 1, 0, 0, 1), false},
		{"a SACK block across the ACK", sack(segment(wire.ACK, 1, 100, 3000, 0), wire.SACKBlock{Left: 2050, Right: 2150}), false},
		{"a D-SACK", sack(segment(wire.ACK, 1, 100, 3000, 0), wire.SACKBlock{Left: 2050, Right: 2100}), true},
		{"a D-SACK below the first byte", sack(segment(wire.ACK, 1, 100, 3000, 0), wire.SACKBlock{Left: 1999, Right: 2001}), false},
		{"a SACK block beyond the window", sack(segment(wire.ACK, 1, 1, 3000, 0), wire.SACKBlock{Left: 5000, Right: 5002}), false},
		{"a D-SACK in second place", sack(segment(wire.ACK, 1, 100, 3000, 0), wire.SACKBlock{Left: 2150, Right: 2160},
			wire.SACKBlock{Left: 2050, Right: 2100}), false},
	} {
		m := established(t)
		m.Called()
		if err := m.Sent(4000, 2000, &c.out); (err == nil) != c.ok {
			t.Errorf("%s: %v", c.name, err)
		}
	}
}

func TestMonitorWindow(t *testing.T) {
	m := established(t)
	for i := range uint32(5) {
		out := conn.Outgoing{TCP: wire.TCP{Flags: wire.ACK, Seq: 1001 + 1000*i, Ack: 2001, Window: 3000}, Data: [][]byte{make([]byte, 1000)}, Len: 1000}
		if err := m.Sent(1, 2000, &out); err != nil {
			t.Fatal(err)
		}
	}
	beyond := conn.Outgoing{TCP: wire.TCP{Flags: wire.ACK, Seq: 6001, Ack: 2001, Window: 3000}, Data: [][]byte{{1}}, Len: 1}
	if err := m.Sent(1, 2000, &beyond); err == nil {
		t.Error("no error for data beyond the window")
	}
	beyond.Note = conn.NoteWindowProbe
	if err := m.Sent(1, 2000, &beyond); err != nil {
		t.Error(err)
	}
}

func TestMonitorResets(t *testing.T) {
	m := established(t)
	rst := conn.Outgoing{TCP: wire.TCP{Flags: wire.RST, Seq: 1001}}
	m.Received(&conn.Segment{TCP: wire.TCP{Flags: wire.RST, Seq: 2001}})
	if err := m.Sent(1, 2000, &rst); err == nil {
		t.Error("no error for a RST in reply to a RST")
	}
	m.Called()
	if err := m.Sent(1, 2000, &rst); err != nil {
		t.Error(err)
	}
}

// The monitor reports each broken rule of ECN.
func TestMonitorECN(t *testing.T) {
	const ece, cwr = wire.ECE, wire.CWR
	for _, c := range []struct {
		name        string
		syn, synAck wire.Flags // additional flags
		e           wire.ECN   // of the peer's data
		out         conn.Outgoing
		ok          bool
	}{
		{"new data", ece | cwr, ece, 0, conn.Outgoing{ECN: wire.ECT0, Len: 10}, true},
		{"CWR", ece | cwr, ece, 0, conn.Outgoing{ECN: wire.ECT0, Len: 10, TCP: wire.TCP{Flags: cwr}}, true},
		{"ECE", ece | cwr, ece, wire.CE, conn.Outgoing{TCP: wire.TCP{Flags: ece}}, true},
		{"ECT without an offer", 0, 0, 0, conn.Outgoing{ECN: wire.ECT0, Len: 10}, false},
		{"ECT after a refusal", ece | cwr, 0, 0, conn.Outgoing{ECN: wire.ECT0, Len: 10}, false},
		{"ECT after reflected flags", ece | cwr, ece | cwr, 0, conn.Outgoing{ECN: wire.ECT0, Len: 10}, false},
		{"an ACK", ece | cwr, ece, 0, conn.Outgoing{ECN: wire.ECT0}, false},
		{"a probe", ece | cwr, ece, 0, conn.Outgoing{ECN: wire.ECT0, Len: 1, Note: conn.NoteWindowProbe}, false},
		{"ECT(1)", ece | cwr, ece, 0, conn.Outgoing{ECN: wire.ECT1, Len: 10}, false},
		{"CE", ece | cwr, ece, 0, conn.Outgoing{ECN: wire.CE, Len: 10}, false},
		{"CWR without data", ece | cwr, ece, 0, conn.Outgoing{TCP: wire.TCP{Flags: cwr}}, false},
		{"CWR on a GSO packet", ece | cwr, ece, 0, conn.Outgoing{ECN: wire.ECT0, Len: 10, SegmentSize: 5, TCP: wire.TCP{Flags: cwr}}, false},
		{"ECE without a mark", ece | cwr, ece, wire.ECT0, conn.Outgoing{TCP: wire.TCP{Flags: ece}}, false},
		{"ECE without ECN", 0, 0, wire.CE, conn.Outgoing{TCP: wire.TCP{Flags: ece}}, false},
		{"ECE alone in a SYN", ece, 0, 0, conn.Outgoing{}, false},
		{"a SYN with ECT", ece | cwr, ece, 0, conn.Outgoing{ECN: wire.ECT0, TCP: wire.TCP{Flags: wire.SYN}}, false},
		{"a SYN with ECN after one without", 0, 0, 0, conn.Outgoing{TCP: wire.TCP{Flags: wire.SYN | ece | cwr}}, false},
		{"a SYN-ACK with ECN for a SYN without", ece | cwr, 0, 0, conn.Outgoing{TCP: wire.TCP{Flags: wire.SYN | wire.ACK | ece}}, false},
	} {
		m := &Monitor{MTU: 1500, IPHeader: 20}
		syn := conn.Outgoing{TCP: wire.TCP{Flags: wire.SYN | c.syn, Seq: 1000, Window: 3000, Options: wire.Options{MSS: 1460}}}
		err := m.Sent(1, 2000, &syn)
		m.Received(&conn.Segment{TCP: wire.TCP{Flags: wire.SYN | wire.ACK | c.synAck, Seq: 2000, Ack: 1001, Window: 5000}})
		if err == nil {
			first := conn.Outgoing{TCP: wire.TCP{Flags: wire.ACK, Seq: 1001, Ack: 2001, Window: 3000}, Data: [][]byte{make([]byte, 5)}, Len: 5}
			err = m.Sent(1, 2000, &first)
			m.Received(&conn.Segment{TCP: wire.TCP{Flags: wire.ACK, Seq: 2001, Ack: 1006, Window: 5000}, ECN: c.e, Data: []byte{1}})
		}
		if err == nil {
			out := c.out
			out.Data = [][]byte{make([]byte, out.Len)}
			out.TCP.Seq, out.TCP.Ack, out.TCP.Window = 1006, 2001, 3000
			if out.TCP.Flags.Has(wire.SYN) {
				out.TCP.Seq, out.TCP.Options.MSS = 1000, 1460
			} else {
				out.TCP.Flags |= wire.ACK
			}
			err = m.Sent(10, 2000, &out)
		}
		if (err == nil) != c.ok {
			t.Errorf("%s: %v", c.name, err)
		}
	}
}

// A TSVal less than one sent before breaks a rule (RFC 7323 4.1), also across the wrap of the clock.
func TestMonitorTimestamps(t *testing.T) {
	for _, c := range []struct {
		first, second uint32
		ok            bool
	}{{7, 7, true}, {7, 8, true}, {8, 7, false}, {1<<32 - 1, 0, true}, {0, 1<<32 - 1, false}, {60_000, 1, false}, {7, 7 + 1<<31, true}} {
		m := established(t)
		m.timestamps = [2]bool{true, true}
		out := conn.Outgoing{TCP: wire.TCP{Flags: wire.ACK, Seq: 1001, Ack: 2001, Window: 3000}}
		out.TCP.Options.HasTimestamps, out.TCP.Options.TSVal = true, c.first
		if err := m.Sent(1, 2000, &out); err != nil {
			t.Fatal(err)
		}
		out.TCP.Options.TSVal = c.second
		if err := m.Sent(1, 2000, &out); (err == nil) != c.ok {
			t.Errorf("%d after %d: %v", c.second, c.first, err)
		}
	}
}
