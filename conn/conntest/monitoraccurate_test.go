package conntest

import (
	"testing"

	"minitcp/conn"
	"minitcp/conn/accecn"
	"minitcp/conn/wire"
)

// The monitor reports each broken rule of AccECN.
func TestMonitorAccECN(t *testing.T) {
	const all = wire.AE | wire.CWR | wire.ECE
	segment := func(field uint32, n, size int, ecn wire.ECN) conn.Outgoing {
		return conn.Outgoing{TCP: wire.TCP{Flags: wire.ACK | accecn.FieldFlags(field)}, Len: n, SegmentSize: size, ECN: ecn}
	}
	for _, c := range []struct {
		name    string
		synACK  wire.Flags // the peer's
		marks   int        // packets with CE that have arrived
		out     conn.Outgoing
		correct bool
	}{
		{"new data", wire.CWR, 0, segment(5, 10, 0, wire.ECT0), true},
		{"the codepoint of the SYN-ACK", wire.CWR, 0, segment(2, 0, 0, wire.NotECT), true},
		{"a codepoint with data", wire.CWR, 0, segment(2, 10, 0, wire.ECT0), false},
		{"a mark", wire.CWR, 1, segment(6, 10, 0, wire.ECT0), true},
		{"a mark that has not arrived", wire.CWR, 0, segment(6, 10, 0, wire.ECT0), false},
		{"no AccECN", 0, 0, segment(5, 10, 0, wire.NotECT), false},
		{"classic ECN", wire.ECE, 0, segment(0, 10, 0, wire.ECT0), true},
		{"AE with classic ECN", wire.ECE, 0, segment(4, 10, 0, wire.ECT0), false},
		{"a GSO packet", wire.CWR, 0, segment(5, 10, 5, wire.ECT0), true},
		{"a GSO packet with CWR", wire.CWR, 1, segment(6, 10, 5, wire.ECT0), false},
		{"ECT(1)", wire.CWR, 0, segment(5, 10, 0, wire.ECT1), false},
		{"an ACK with ECT", wire.CWR, 0, segment(5, 0, 0, wire.ECT0), false},
	} {
		var m monitorECN
		if err := m.sent(&conn.Outgoing{TCP: wire.TCP{Flags: wire.SYN | all}}, true); err != nil {
			t.Fatal(err)
		}
		m.receivedSYN(wire.SYN | wire.ACK | c.synACK)
		for range c.marks {
			m.received(&conn.Segment{TCP: wire.TCP{Flags: wire.ACK}, ECN: wire.CE})
		}
		if err := m.sent(&c.out, true); (err == nil) != c.correct {
			t.Errorf("%s: %v", c.name, err)
		}
	}
	for name, f := range map[string]wire.Flags{"AE": wire.AE, "AE and ECE": wire.AE | wire.ECE, "AE and CWR": wire.AE | wire.CWR} {
		var m monitorECN
		if m.sent(&conn.Outgoing{TCP: wire.TCP{Flags: wire.SYN | f}}, true) == nil {
			t.Errorf("a SYN with %s is not reported", name)
		}
	}
	m := monitorECN{peerAccurate: true}
	if m.sent(&conn.Outgoing{TCP: wire.TCP{Flags: wire.SYN | wire.ACK | wire.AE | wire.ECE}}, true) == nil {
		t.Error("a SYN-ACK with AE and ECE is not reported")
	}
}
