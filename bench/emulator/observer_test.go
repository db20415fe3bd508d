package emulator

import (
	"encoding/binary"
	"testing"

	"minitcp/conn/wire"
)

// superframe is a frame of TCP from a port with so many bytes of data, in segments of 100 bytes.
func superframe(port uint16, seq uint32, data int) []byte {
	frame := segment(port, seq, data)
	wire.PutVirtio(frame, &wire.VirtioHeader{GSOType: wire.GSOTCPv4, GSOSize: 100})
	return frame
}

// segment is a frame with a packet of TCP from a port with so many bytes of data.
func segment(port uint16, seq uint32, data int) []byte {
	frame := make([]byte, wire.VirtioHeaderLen+20+32+data)
	p := frame[wire.VirtioHeaderLen:]
	p[0], p[9] = 0x45, 6
	binary.BigEndian.PutUint16(p[2:], uint16(len(p)))
	binary.BigEndian.PutUint16(p[20:], port)
	binary.BigEndian.PutUint32(p[24:], seq)
	p[32] = 8 << 4
	return frame
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
		{segment(2, top, 100)[:50], 6, 2}, // cut off
		{superframe(3, top, 450), 11, 2},  // five segments
		{superframe(3, top, 200), 13, 4},  // two of them again
		{make([]byte, wire.VirtioHeaderLen+1), 13, 4},
		{[]byte{0x60}, 13, 4},
		{nil, 13, 4},
	} {
		o.See(step.packet)
		if o.Segments != step.segments || o.Again != step.again {
			t.Fatalf("after step %d: %d segments, %d again; want %d, %d", i, o.Segments, o.Again, step.segments, step.again)
		}
	}
}
