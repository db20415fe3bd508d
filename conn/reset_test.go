package conn

import (
	"testing"

	"minitcp/conn/wire"
)

func TestReset(t *testing.T) {
	var out Outgoing
	for _, c := range []struct {
		in   wire.TCP
		n    int
		want wire.TCP
		ok   bool
	}{
		{wire.TCP{Flags: wire.RST}, 0, wire.TCP{}, false},
		{wire.TCP{Flags: wire.ACK, Seq: 5, Ack: 9}, 3, wire.TCP{Flags: wire.RST, Seq: 9}, true},
		{wire.TCP{Flags: wire.SYN, Seq: 5}, 0, wire.TCP{Flags: wire.RST | wire.ACK, Ack: 6}, true},
		{wire.TCP{Flags: wire.FIN, Seq: 5}, 3, wire.TCP{Flags: wire.RST | wire.ACK, Ack: 9}, true},
	} {
		if ok := Reset(&c.in, c.n, &out); ok != c.ok || ok && out.TCP != c.want {
			t.Errorf("Reset(%+v, %d) = %+v, %v", c.in, c.n, out.TCP, ok)
		}
	}
}
