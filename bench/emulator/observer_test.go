package emulator

import (
	"encoding/binary"
	"testing"
)

// segment is a packet of TCP from a port with so many bytes of data.
func segment(port uint16, seq uint32, data int) []byte {
	p := make([]byte, 20+32+data)
	p[0], p[9] = 0x45, 6
	binary.BigEndian.PutUint16(p[2:], uint16(len(p)))
	binary.BigEndian.PutUint16(p[20:], port)
	binary.BigEndian.PutUint32(p[24:], seq)
	p[32] = 8 << 4
	return p
}

func TestObserver(t *testing.T) {
	var o Observer
	top := uint32(0xfffffff0)
	for i, step := range []struct {
		packet          []byte
		segments, again int64
	}{
		{segment(1, top, 100), 1, 0},
		{segment(1, top+100, 100), 2, 0},  // sequence numbers wrap
		{segment(1, top+200, 0), 2, 0},    // an acknowledgment
		{segment(1, top, 100), 3, 1},      // again
		{segment(1, top+100, 100), 4, 2},  //
		{segment(1, top+150, 100), 5, 2},  // half of it is new
		{segment(2, top, 100), 6, 2},      // another flow
		{segment(2, top, 100)[:40], 6, 2}, // cut off
		{[]byte{0x60}, 6, 2},
		{nil, 6, 2},
	} {
		o.See(step.packet)
		if o.Segments != step.segments || o.Again != step.again {
			t.Fatalf("after step %d: %d segments, %d again; want %d, %d", i, o.Segments, o.Again, step.segments, step.again)
		}
	}
}
