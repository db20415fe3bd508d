//go:build !race

package pcap

import (
	"net/netip"
	"testing"

	"minitcp/conn/wire"
	"minitcp/stack"
)

// Tap does not allocate: neither for a frame that the filter drops, nor for a selected one once the pools are filled.
func TestTapAllocatesNothing(t *testing.T) {
	c, _ := create(t, Config{Filter: Filter{Ports: []uint16{80}, Hosts: []netip.Addr{ours4, ours6}}})
	defer c.Close()
	for _, spec := range []segmentSpec{
		{srcPort: 81, dstPort: 82, flags: wire.ACK, data: 1000},
		{src: ours6, dst: theirs6, srcPort: 81, dstPort: 82, flags: wire.ACK, data: 60000},
	} {
		b := spec.frame()
		f := &stack.Frame{Parts: [][]byte{b[:80], b[80:]}}
		if n := testing.AllocsPerRun(100, func() { c.Tap(f) }); n != 0 {
			t.Errorf("%v allocations for a frame that does not match", n)
		}
	}
	b := segmentSpec{flags: wire.ACK, data: 1000}.frame()
	q := newQueue(1 << 20)
	if n := testing.AllocsPerRun(100, func() {
		q.put(q.take([][]byte{b}))
		q.release(<-q.packets)
	}); n >= 1 {
		t.Errorf("%v allocations for a frame that matches", n)
	}
}
