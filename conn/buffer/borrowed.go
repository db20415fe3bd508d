package buffer

import (
	"slices"

	"minitcp/conn/seq"
)

// Borrowed is memory of the driver that a connection reads from in place of a copy. Its owners change as follows.
//
// The driver owns the memory, and offers it with a segment. A connection that does not retain it never uses it after
// the call. A connection that retains it sets Retained in the segment, and from then on has a share in it; the driver
// keeps its own share until it is done with the segment. The connection ends its share by calling Release exactly once,
// when the application has read the data or the data is discarded. That may be before the call that retained it
// returns, so a driver that uses the segment after the call must count the two shares. An application that takes
// the memory from the connection takes over its share, and calls Release in its place.
type Borrowed interface {
	// Release ends the share of the connection, or of the application that has taken it over. The caller does not use the
	// memory after that.
	Release()
}

// external holds data that was not copied: chunks of the stream, in order, in the memory in which they arrived.
type external struct {
	list []chunk
	head int // list[head:] is in use
}

// chunk is a part of the stream that lies in borrowed memory.
type chunk struct {
	start  seq.Offset
	data   []byte
	memory Borrowed
}

// maxIdleChunks is the largest capacity that an empty list of chunks keeps: more than a batch brings.
const maxIdleChunks = 100

func (c *chunk) end() seq.Offset { return c.start + seq.Offset(len(c.data)) }

// first returns the first chunk, nil if there is none.
func (e *external) first() *chunk {
	if e == nil || e.head == len(e.list) {
		return nil
	}
	return &e.list[e.head]
}

// unread returns all chunks.
func (e *external) unread() []chunk {
	if e == nil {
		return nil
	}
	return e.list[e.head:]
}

// push appends a chunk.
func (e *external) push(c chunk) {
	if e.head > 0 && len(e.list) == cap(e.list) {
		n := copy(e.list, e.list[e.head:])
		clear(e.list[n:])
		e.list, e.head = e.list[:n], 0
	}
	e.list = append(e.list, c)
}

// pushFirst puts a chunk before the others.
func (e *external) pushFirst(c chunk) {
	if e.head == 0 {
		e.list = slices.Insert(e.list, 0, c)
		return
	}
	e.head--
	e.list[e.head] = c
}

// ownPage is a page of the buffer's own pool as Borrowed.
type ownPage struct {
	pool Pool
	page *Page
}

func (o *ownPage) Release() { o.pool.Put(o.page) }

// pop removes and returns the first chunk. Its memory is the caller's to release.
func (e *external) pop() (c chunk) {
	c, e.list[e.head] = e.list[e.head], chunk{}
	e.head++
	if e.head == len(e.list) {
		e.list, e.head = e.list[:0], 0
		if cap(e.list) > maxIdleChunks {
			e.list = nil
		}
	}
	return c
}

// release releases the chunks that end at o or before.
func (e *external) release(o seq.Offset) {
	for c := e.first(); c != nil && c.end() <= o; c = e.first() {
		e.pop().memory.Release()
	}
}
