package buffer

import "minitcp/conn/seq"

// Receive holds data that has arrived: the bytes from start to next are in order and unread, those in outOfOrder lie
// beyond a gap. All are in span, except for chunks of borrowed memory and small pieces of data out of order.
type Receive struct {
	span       span
	external   *external   // nil until memory is borrowed
	start      seq.Offset  // first byte that the application has not read
	next       seq.Offset  // first byte that has not arrived
	outOfOrder *outOfOrder // nil until there is some
}

// ReceiveAt returns an empty buffer whose first byte will be o.
func ReceiveAt(o seq.Offset) Receive { return Receive{start: o, next: o} }

// Start returns the offset of the first byte that the application has not read.
func (b *Receive) Start() seq.Offset { return b.start }

// Next returns the offset of the first byte that has not arrived.
func (b *Receive) Next() seq.Offset { return b.next }

// Readable returns the number of bytes that are ready for the application.
func (b *Receive) Readable() int { return int(b.next - b.start) }

// End returns the offset after the highest byte that has arrived.
func (b *Receive) End() seq.Offset {
	if ranges := b.OutOfOrder(); len(ranges) > 0 {
		return ranges[len(ranges)-1].End
	}
	return b.next
}

// Insert copies p to its place at o, where o+len(p) > Next. If p is out of order, Insert returns the range of data
// out of order that p is now part of, otherwise an empty range. It returns false if p was not stored.
func (b *Receive) Insert(pool Pool, o seq.Offset, p []byte) (r Range, ok bool) {
	if o < b.next {
		p = p[b.next-o:]
		o = b.next
	}
	switch {
	case o > b.next:
		return b.insertOutOfOrder(pool, o, p)
	case len(b.OutOfOrder()) > 0:
		b.fill(pool, p)
	default:
		b.span.write(pool, o, p, 0)
		b.next = o + seq.Offset(len(p))
	}
	return Range{}, true
}

// Retain keeps p in the memory that it lies in, in place of a copy, and reports whether it does. It does not if o is
// not Next, and not while there is data out of order, which p may overlap.
func (b *Receive) Retain(o seq.Offset, p []byte, memory Borrowed) bool {
	if o != b.next || len(b.OutOfOrder()) > 0 {
		return false
	}
	if b.external == nil {
		b.external = new(external)
	}
	b.external.push(chunk{o, p, memory})
	b.next += seq.Offset(len(p))
	return true
}

// Read moves readable bytes to p, returns their number, and releases memory that is no longer needed.
func (b *Receive) Read(pool Pool, p []byte) (n int) {
	for n < len(p) && b.Readable() > 0 {
		var m int
		if c := b.external.first(); c != nil && c.start <= b.start {
			m = copy(p[n:], c.data[b.start-c.start:])
		} else {
			m = min(len(p)-n, b.Readable())
			if c != nil {
				m = min(m, int(c.start-b.start))
			}
			b.span.read(b.start, p[n:n+m])
		}
		b.Skip(pool, m)
		n += m
	}
	return n
}

// ReadBuffer returns the next bytes and their memory if the memory is borrowed, nil if it is not. The caller must
// release the memory.
func (b *Receive) ReadBuffer(pool Pool) ([]byte, Borrowed) {
	c := b.external.first()
	if c == nil || c.start > b.start {
		return nil, nil
	}
	data, memory := c.data[b.start-c.start:], c.memory
	b.external.pop()
	b.Skip(pool, len(data))
	return data, memory
}

// Unread puts p back, which are the last bytes that have been read: they are the next ones again. If memory is not nil,
// p lies in it, and the buffer takes over the caller's share. Otherwise Unread copies p to pages.
func (b *Receive) Unread(pool Pool, p []byte, memory Borrowed) {
	if b.external == nil {
		b.external = new(external)
	}
	if memory != nil {
		b.start -= seq.Offset(len(p))
		b.external.pushFirst(chunk{b.start, p, memory})
		return
	}
	if c := b.external.first(); c != nil && c.start < b.start { // the end of p is still there
		n := min(len(p), int(b.start-c.start))
		b.start -= seq.Offset(n)
		p = p[:len(p)-n]
	}
	for len(p) > 0 {
		last := (len(p) - 1) / PageSize * PageSize
		page := pool.Get(PageSize)
		n := copy(page.bytes, p[last:])
		b.start -= seq.Offset(n)
		b.external.pushFirst(chunk{b.start, page.bytes[:n], &ownPage{pool, page}})
		p = p[:last]
	}
}

// Skip discards the first n readable bytes.
func (b *Receive) Skip(pool Pool, n int) {
	b.start += seq.Offset(n)
	b.external.release(b.start)
	if b.start == b.next && len(b.OutOfOrder()) == 0 {
		b.span.releaseAll(pool)
		return
	}
	b.span.release(pool, b.start)
}

// Discard discards all bytes that have arrived.
func (b *Receive) Discard(pool Pool) {
	b.start = b.next
	b.external.release(b.next)
	b.DiscardOutOfOrder(pool)
}
