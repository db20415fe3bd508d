// Package rawread reads from a source of data into memory that it takes when there is data. With a TCP socket of
// package net it holds no memory while it waits.
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
}

// Of returns the Reader for r, which is r itself if it is a *Reader.
func Of(r io.Reader) *Reader { return Count(r, nil) }

// Count returns the Reader for r, which adds the number of the bytes that it reads to count.
func Count(r io.Reader, count *atomic.Int64) *Reader {
	if r, ok := r.(*Reader); ok && count == nil {
		return r
	}
	return &Reader{r, socketOf(r), count}
}

// Whole returns the largest multiple of unit bytes that fits into b.
func Whole(b []byte, unit int) int { return len(b) - len(b)%unit }

// ReadPooled reads at most Whole(b, unit) bytes into a buffer b of pool, whose elements are of type *[]byte. The caller
// must put b back, unless it is nil.
func (r *Reader) ReadPooled(pool *sync.Pool, unit int) (b *[]byte, n int, err error) {
	if r.socket != nil {
		b, n, err = r.socket.read(pool, unit)
	} else {
		b = pool.Get().(*[]byte)
		n, err = r.source.Read((*b)[:Whole(*b, unit)])
	}
	r.counted(n)
	return b, n, err
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
