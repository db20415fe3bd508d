package window

import (
	"testing"

	"minitcp/conn/seq"
	"minitcp/conn/wire"
)

// A window is taken from the newest segment: of two, the one with the higher sequence number and, of two with the same,
// the one with the higher acknowledgment number (RFC 9293 3.10.7.4). An ACK of new data is always newer.
func TestUpdate(t *testing.T) {
	for _, c := range []struct {
		name         string
		una, at, ack seq.Offset
		flags        wire.Flags
		field        uint16
		size         int32
		edge         seq.Offset
	}{
		{"a newer segment", 100, 51, 100, wire.ACK, 10, 40, 140},
		{"the same sequence number with a newer ACK", 100, 50, 101, wire.ACK, 10, 40, 141},
		{"the same numbers", 100, 50, 100, wire.ACK, 10, 40, 140},
		{"an older sequence number", 100, 49, 100, wire.ACK, 10, 80, 180},
		{"an older sequence number with an ACK of new data", 100, 49, 101, wire.ACK, 10, 40, 141},
		{"the same sequence number with an older ACK", 99, 50, 99, wire.ACK, 10, 80, 180},
		{"an ACK of less than SND.UNA", 101, 51, 100, wire.ACK, 10, 80, 180},
		{"a SYN, whose window is not scaled", 100, 50, 100, wire.SYN | wire.ACK, 10, 10, 110},
		{"a closed window", 100, 51, 100, wire.ACK, 0, 0, 100},
		{"a larger window", 100, 51, 100, wire.ACK, 100, 400, 500},
	} {
		p := Peer{Edge: 180, Size: 80, Largest: 80}
		p.Number(50, 100)
		p.Update(c.una, c.at, c.ack, &wire.TCP{Flags: c.flags, Window: c.field}, 2)
		if p.Size != c.size || p.Edge != c.edge || p.Largest != max(80, c.size) {
			t.Errorf("%s: window of %d bytes to %d, the largest %d; want %d to %d, %d", c.name, p.Size, p.Edge, p.Largest, c.size, c.edge, max(80, c.size))
		}
	}
	if p := FromSYN(1000); p.Edge != 1001 || p.Size != 1000 || p.Largest != 1000 {
		t.Errorf("the window in a SYN is %+v", p)
	}
}

// A segment without data is numbered from the end of the data sent, or from the edge of a window that has shrunk by at
// least a unit of its scale.
func TestNext(t *testing.T) {
	for _, c := range []struct {
		name            string
		edge, una, sent seq.Offset
		scale           uint8
		want            seq.Offset
	}{
		{"inside the window", 200, 50, 150, 0, 150},
		{"at the edge", 150, 50, 150, 0, 150},
		{"beyond a window that has shrunk", 140, 50, 150, 0, 140},
		{"beyond a window that was rounded down", 140, 50, 150, 4, 150},
		{"beyond it by a whole unit", 140, 50, 156, 4, 140},
		{"after a probe of a closed window", 50, 50, 51, 4, 50},
		{"a window that ends before SND.UNA", 40, 50, 60, 0, 50},
		{"before the window is known", 0, 0, 1, 0, 1},
	} {
		p := Peer{Edge: c.edge}
		if got := p.Next(c.una, c.sent, c.scale); got != c.want {
			t.Errorf("%s: %d, want %d", c.name, got, c.want)
		}
	}
	for edge, closed := range map[seq.Offset]bool{49: true, 50: true, 51: false} {
		if p := (Peer{Edge: edge}); p.Closed(50) != closed {
			t.Errorf("a window to %d is closed at 50: %v, want %v", edge, !closed, closed)
		}
	}
}

// The edge advances by useful amounts and never decreases, and the field is rounded up inside of the buffer.
func TestAnnounce(t *testing.T) {
	for _, c := range []struct {
		name  string
		edge  seq.Offset
		s     Space
		field uint16
		after seq.Offset
	}{
		{"an empty buffer", 1, Space{1, 1, 1, 1000, 100, 0}, 1000, 1001},
		{"unread data", 1, Space{1, 301, 301, 1000, 100, 0}, 700, 1001},
		{"less than a useful amount", 950, Space{1, 301, 301, 1000, 100, 0}, 649, 950},
		{"a buffer that has become smaller", 1001, Space{1, 301, 301, 500, 100, 0}, 700, 1001},
		{"a full buffer", 1001, Space{1, 1001, 1001, 1000, 100, 0}, 0, 1001},
		{"the peer's FIN", 1001, Space{1, 301, 302, 1000, 100, 0}, 699, 1001},
		{"more than the field can express", 1, Space{1, 1, 1, 1 << 20, 100, 0}, 65535, 65536},
		{"a scale, the edge at a multiple of its unit", 1, Space{1, 1, 1, 1000, 100, 4}, 62, 993},
		{"a scale, and a field that is rounded up", 996, Space{10, 10, 10, 1000, 100, 4}, 62, 1002},
		{"a scale, and a field that is rounded down beyond the buffer", 1000, Space{1, 10, 10, 1000, 100, 4}, 61, 1000},
	} {
		l := Local{Edge: c.edge}
		if got := l.Announce(&c.s); got != c.field || l.Edge != c.after || l.LastACK != c.s.Next {
			t.Errorf("%s: field %d, edge %d, Last.ACK.sent %d; want %d, %d, %d", c.name, got, l.Edge, l.LastACK, c.field, c.after, c.s.Next)
		}
	}
}

// An ACK follows a read that opens a closed window, or a quarter of the buffer since the last ACK.
func TestUpdateDue(t *testing.T) {
	for _, c := range []struct {
		name  string
		start seq.Offset // all data before it is read
		edge  seq.Offset
		want  bool
	}{
		{"a closed window and a small read", 50, 1001, false},
		{"a closed window and a read of a useful amount", 101, 1001, true},
		{"an open window and a read of less than a quarter", 250, 1200, false},
		{"an open window and a read of a quarter", 301, 1200, true},
		{"a quarter, and no useful amount more", 301, 1250, false},
	} {
		l := Local{Edge: c.edge, readAtLastACK: 1}
		s := Space{Start: c.start, End: 1001, Next: 1001, Limit: 1000, Useful: 100}
		if got := l.UpdateDue(&s); got != c.want {
			t.Errorf("%s: an update is due: %v, want %v", c.name, got, c.want)
		}
	}
}
