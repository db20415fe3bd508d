// Package rawread reads from a source of data into memory that it takes when there is data. While it waits it holds no
// memory with a TCP socket of package net, and little with other sources.
package rawread

import (
	"io"
	"sync"
	"sync/atomic"
)

// Reader is a source of data.
type Reader struct {
	source io.Reader
	socket *socket       // nil: source is no TCP socket of package net
	count  *atomic.Int64 // nil: bytes are not counted
	burst  burst         // of another source than a socket
}

// waiting lends the memory for a read that may wait: enough for a segment of the usual MTU.
var waiting = sync.Pool{New: func() any { b := make([]byte, little); return &b }}

const little = 2 << 10

// burst decides whether the next read from a source that cannot be polled takes a buffer, although it may wait. It does
// after a read that filled its memory, as more data may be there. It does as well after two bursts that did not fit
// into the memory for a read that may wait, if the second was no shorter: records of a bulk transfer, such as those of
// TLS, end like that, and a transfer ends with a shorter one.
type burst struct {
	size, last int // bytes of the current and the previous burst; a burst ends with a read that does not fill its memory
	more       bool
}

// add notes a read of n bytes into memory of the size given.
func (b *burst) add(n, size int) {
	b.size += n
	if b.more = n == size; b.more {
		return
	}
	b.more = b.last > little && b.size >= b.last
	b.last, b.size = b.size, 0
}

// Of returns the Reader for r, which is r itself if it is a *Reader.
func Of(r io.Reader) *Reader { return Count(r, nil) }

// Count returns the Reader for r, which adds the number of the bytes that it reads to count.
func Count(r io.Reader, count *atomic.Int64) *Reader {
	if r, ok := r.(*Reader); ok && count == nil {
		return r
	}
	return &Reader{source: r, socket: socketOf(r), count: count}
}

// Whole returns the largest multiple of unit bytes that fits into b.
func Whole(b []byte, unit int) int { return len(b) - len(b)%unit }

// ReadPooled reads at most Whole(b, unit) bytes into a buffer b of pool, whose elements are of type *[]byte. The caller
// must put b back, unless it is nil. The buffers must have 2 KiB at least.
func (r *Reader) ReadPooled(pool *sync.Pool, unit int) (b *[]byte, n int, err error) {
	switch {
	case r.socket != nil:
		b, n, err = r.socket.read(pool, unit)
	case r.burst.more:
		b = pool.Get().(*[]byte)
		p := (*b)[:Whole(*b, unit)]
		n, err = r.source.Read(p)
		r.burst.add(n, len(p))
	default:
		b, n, err = r.readLittle(pool, unit)
	}
	r.counted(n)
	return b, n, err
}

// readLittle reads into memory of waiting, of which it copies the data.
func (r *Reader) readLittle(pool *sync.Pool, unit int) (b *[]byte, n int, err error) {
	w := waiting.Get().(*[]byte)
	defer waiting.Put(w)
	p := *w
	if len(p) > unit {
		p = p[:Whole(p, unit)]
	}
	n, err = r.source.Read(p)
	if n <= 0 {
		return nil, n, err
	}
	r.burst.add(n, len(p))
	b = pool.Get().(*[]byte)
	return b, copy(*b, p[:n]), err
}

// Read implements [io.Reader].
func (r *Reader) Read(p []byte) (int, error) {
	n, err := r.source.Read(p)
	r.counted(n)
	return n, err
}

func (r *Reader) counted(n int) {
	if r.count != nil {
		r.count.Add(int64(n))
	}
}
