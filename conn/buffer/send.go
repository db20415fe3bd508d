package buffer

import "minitcp/conn/seq"

// Send holds the bytes that the application has written and the peer has not acknowledged: first those in flight, the
// retransmission queue, then those that wait to be sent.
type Send struct {
	span  span
	start seq.Offset // first byte held
	end   seq.Offset // one past the last
}

// SendAt returns an empty buffer whose first byte will be o.
func SendAt(o seq.Offset) Send { return Send{start: o, end: o} }

// Start returns the offset of the first byte held.
func (b *Send) Start() seq.Offset { return b.start }

// End returns the offset after the last byte held.
func (b *Send) End() seq.Offset { return b.end }

// Size returns the number of bytes held.
func (b *Send) Size() int { return int(b.end - b.start) }

// Append copies p to the end of the buffer.
func (b *Send) Append(pool Pool, p []byte) {
	b.span.write(pool, b.end, p, 0)
	b.end += seq.Offset(len(p))
}

// Slices appends to list the pieces of memory that hold the n bytes from o on, which must be held. They are valid until
// the bytes are acknowledged or discarded.
func (b *Send) Slices(list [][]byte, o seq.Offset, n int) [][]byte { return b.span.slices(list, o, n) }

// Acknowledge releases the bytes before o.
func (b *Send) Acknowledge(pool Pool, o seq.Offset) {
	b.start = max(b.start, min(o, b.end))
	if b.start == b.end {
		b.span.releaseAll(pool)
		return
	}
	b.span.release(pool, b.start)
}

// Discard releases all bytes.
func (b *Send) Discard(pool Pool) {
	b.span.releaseAll(pool)
	b.start = b.end
}
