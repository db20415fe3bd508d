package emulate

import "math/bits"

const (
	minClass = 8  // the smallest buffers have 256 bytes
	classes  = 10 // the largest have 128 KiB
	// maxSpare is the limit of the memory that is kept for later packets, in bytes.
	maxSpare = 4 << 20
)

// memory holds the buffers of packets. Their sizes are powers of two, so that an ACK does not take the memory of a full
// packet.
type memory struct {
	held  int // bytes in use
	spare int // bytes in free
	free  [classes][][]byte
}

// copyOf returns a copy of a frame in a buffer.
func (m *memory) copyOf(frame []byte) []byte {
	class := max(bits.Len(uint(len(frame)-1)), minClass) - minClass
	size := 1 << (class + minClass)
	m.held += size
	var b []byte
	if list := m.free[class]; len(list) > 0 {
		b = list[len(list)-1]
		m.free[class] = list[:len(list)-1]
		m.spare -= size
	} else {
		b = make([]byte, size)
	}
	return b[:copy(b, frame)]
}

// release takes a buffer back.
func (m *memory) release(b []byte) {
	size := cap(b)
	m.held -= size
	if m.spare+size > maxSpare {
		return
	}
	class := bits.Len(uint(size-1)) - minClass
	m.spare += size
	m.free[class] = append(m.free[class], b[:size])
}
