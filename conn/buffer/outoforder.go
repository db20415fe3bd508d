package buffer

import (
	"cmp"
	"slices"

	"minitcp/conn/seq"
)

// Data out of order has arrived beyond a gap. The peer chooses its places, so its memory is counted by the pages and
// records that it keeps in use, not by its bytes: a single byte in a page of its own costs the page.
//
// A range of fewer than leastInPages bytes is kept in a piece of its own size; a larger one is kept in pages, at its
// place in the stream. A range that grows to that size moves into pages.

const (
	// maxRanges is the largest number of ranges that a connection keeps. A segment that needs another one is dropped, and
	// the peer retransmits it. The limit bounds the memory that one insertion moves to 64 KiB of ranges and 128 KiB of
	// pieces.
	maxRanges = 4096
	// leastInPages is the size in bytes from which a range is kept in pages, so that at least an eighth of each is used.
	leastInPages = PageSize / 8
	// maxIdleRanges is the largest capacity for ranges that a connection without data out of order keeps.
	maxIdleRanges = 16

	ownMemory   = 96 // size of outOfOrder in bytes
	rangeMemory = 16 // size of a range in bytes
	pieceMemory = 32 // size of a piece in bytes, without its data
)

// piece is the data of a range that is too small for a page.
type piece struct {
	start seq.Offset
	data  []byte
}

// outOfOrder describes the data of a connection that lies beyond a gap.
type outOfOrder struct {
	ranges  RangeSet
	pieces  []piece // the ranges of fewer than leastInPages bytes, in order
	bytes   int     // bytes in pieces
	slots   int     // slots of the span that have a page, from that of the first missing byte on
	charged int     // bytes counted by Pool.Charge
	looks   int64   // ranges and pieces that searches have examined, for tests
}

// OutOfOrder returns the ranges of data beyond a gap. The result is valid until the next change of the buffer.
func (b *Receive) OutOfOrder() RangeSet {
	if b.outOfOrder == nil {
		return nil
	}
	return b.outOfOrder.ranges
}

// insertOutOfOrder stores p at o, beyond next. It returns the range that p is now part of, or false if p needs
// another range and there are already maxRanges.
func (b *Receive) insertOutOfOrder(pool Pool, o seq.Offset, p []byte) (Range, bool) {
	if b.outOfOrder == nil {
		b.outOfOrder = new(outOfOrder)
	}
	e, end := b.outOfOrder, o+seq.Offset(len(p))
	i, j, looks := e.ranges.touching(o, end)
	e.looks += int64(looks)
	merged := e.ranges.union(i, j, o, end)
	switch {
	case j == i+1 && merged == e.ranges[i]:
		return merged, true // all of it has arrived before
	case i == j && len(e.ranges) >= maxRanges:
		return Range{}, false
	}
	at := int64(b.next) >> pageShift
	if len(e.ranges) == 0 {
		e.slots = b.span.count(at, b.span.next)
	}
	if merged.Size() < leastInPages {
		e.mergePieces(merged, o, p)
	} else {
		b.moveToPages(pool, merged.Start, merged.End)
		e.slots += b.span.write(pool, o, p, at)
	}
	e.ranges.replace(i, j, merged)
	e.charge(pool)
	return merged, true
}

// fill stores p, which begins at next, and makes the data readable that follows p without a gap.
func (b *Receive) fill(pool Pool, p []byte) {
	e, end := b.outOfOrder, b.next+seq.Offset(len(p))
	_, n, looks := e.ranges.touching(b.next, end)
	e.looks += int64(looks)
	next := e.ranges.union(0, n, b.next, end).End
	from, to := int64(b.next)>>pageShift, int64(next)>>pageShift
	b.moveToPages(pool, b.next, next)
	e.slots += b.span.write(pool, b.next, p, from)
	e.slots -= b.span.count(from, to)
	b.next = next
	if e.ranges.removeFirst(n); len(e.ranges) == 0 {
		e.forget()
	}
	e.charge(pool)
}

// moveToPages moves the pieces that begin in [start, end) to their places in the span.
func (b *Receive) moveToPages(pool Pool, start, end seq.Offset) {
	e := b.outOfOrder
	if len(e.pieces) == 0 {
		return
	}
	i, j := e.piecesWithin(start, end)
	for _, p := range e.pieces[i:j] {
		e.slots += b.span.write(pool, p.start, p.data, 0)
		e.bytes -= len(p.data)
	}
	e.pieces = slices.Delete(e.pieces, i, j)
}

// DiscardOutOfOrder discards all data beyond a gap.
func (b *Receive) DiscardOutOfOrder(pool Pool) {
	if e := b.outOfOrder; e != nil {
		e.forget()
		e.charge(pool)
		b.outOfOrder = nil
	}
	if b.start == b.next {
		b.span.releaseAll(pool)
	} else {
		b.span.truncate(pool, b.next)
	}
	if b.span.first == b.span.next {
		b.span.ring = nil
	}
}

// OutOfOrderMemory returns the memory in bytes that data out of order keeps in use: whole pages, and records.
func (b *Receive) OutOfOrderMemory() int {
	if b.outOfOrder == nil {
		return 0
	}
	return b.outOfOrder.slots<<pageShift + b.outOfOrder.charged
}

// piecesWithin returns the indices i up to j of the pieces that begin in [start, end).
func (e *outOfOrder) piecesWithin(start, end seq.Offset) (i, j int) {
	if n := len(e.pieces); n == 0 || e.pieces[n-1].start < start {
		return n, n // as when data arrives in the order in which it was sent
	}
	order := func(p piece, o seq.Offset) int {
		e.looks++
		return cmp.Compare(p.start, o)
	}
	i, _ = slices.BinarySearchFunc(e.pieces, start, order)
	j, _ = slices.BinarySearchFunc(e.pieces[i:], end, order)
	return i, i + j
}

// mergePieces replaces the pieces in merged, and p, which begins at o, by one piece.
func (e *outOfOrder) mergePieces(merged Range, o seq.Offset, p []byte) {
	i, j := e.piecesWithin(merged.Start, merged.End)
	data := make([]byte, merged.Size())
	for _, old := range e.pieces[i:j] {
		e.bytes -= copy(data[old.start-merged.Start:], old.data)
	}
	copy(data[o-merged.Start:], p)
	e.bytes += len(data)
	e.pieces = slices.Replace(e.pieces, i, j, piece{merged.Start, data})
}

// forget removes all ranges and pieces.
func (e *outOfOrder) forget() {
	if e.ranges = e.ranges[:0]; cap(e.ranges) > maxIdleRanges {
		e.ranges = nil
	}
	e.pieces, e.bytes, e.slots = nil, 0, 0
}

// charge reports changes of the memory of ranges and pieces to the pool.
func (e *outOfOrder) charge(pool Pool) {
	n := 0
	if len(e.ranges) > 0 {
		n = ownMemory + cap(e.ranges)*rangeMemory + cap(e.pieces)*pieceMemory + e.bytes
	}
	if n != e.charged {
		pool.Charge(n - e.charged)
		e.charged = n
	}
}
