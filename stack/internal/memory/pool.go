// Package memory lends the memory of a stack's connections: pages for buffers, and the frames into which the device is
// read. It counts them, and finds the connection that has held data beyond a gap at the greatest cost.
package memory

import (
	"sync"
	"sync/atomic"

	"minitcp/conn/buffer"
)

// Pool lends buffer pages to all connections of a stack, and counts them. The garbage collector reclaims unused
// pages.
type Pool struct {
	small sync.Pool
	large sync.Pool
	limit int64 // budget, in small pages
	_     [64]byte
	lent  atomic.Int64 // pages lent, in small pages; alone on its cache line, with bytes
	bytes atomic.Int64 // bytes in use besides pages
}

// NewPool returns a pool for a budget in bytes.
func NewPool(budget int64) *Pool {
	p := &Pool{limit: max(1, budget/buffer.PageSize)}
	p.small.New = func() any { return buffer.NewPage(buffer.PageSize) }
	p.large.New = func() any { return buffer.NewPage(buffer.LargePage) }
	return p
}

func (p *Pool) of(size int) *sync.Pool {
	if size == buffer.LargePage {
		return &p.large
	}
	return &p.small
}

// Get implements [buffer.Pool].
func (p *Pool) Get(size int) *buffer.Page {
	p.lent.Add(int64(size / buffer.PageSize))
	return p.of(size).Get().(*buffer.Page)
}

// Put implements [buffer.Pool].
func (p *Pool) Put(page *buffer.Page) {
	p.lent.Add(-int64(page.Size() / buffer.PageSize))
	p.of(page.Size()).Put(page)
}

// Charge implements [buffer.Pool].
func (p *Pool) Charge(change int) { p.bytes.Add(int64(change)) }

// Lend counts small pages that are lent, or returned if the number is negative, besides those of Get and Put.
func (p *Pool) Lend(pages int64) { p.lent.Add(pages) }

// Lent returns the number of small pages that are lent.
func (p *Pool) Lent() int64 { return p.lent.Load() }

// Charged returns the number of bytes in use besides pages.
func (p *Pool) Charged() int64 { return p.bytes.Load() }

// Used returns the memory in use, in small pages.
func (p *Pool) Used() int64 { return p.lent.Load() + p.bytes.Load()/buffer.PageSize }

// Bytes returns the memory in use in bytes.
func (p *Pool) Bytes() int64 { return p.lent.Load()*buffer.PageSize + p.bytes.Load() }

// Limit returns the budget in bytes.
func (p *Pool) Limit() int64 { return p.limit * buffer.PageSize }

// exhausted returns the number of small pages in use from which memory is exhausted: fifteen sixteenths of the budget.
// The last sixteenth is for the progress of connections that exist, and for those that begin.
func (p *Pool) exhausted() int64 { return p.limit - p.limit/16 }

// Level implements [buffer.Pressure]. Memory is scarce from three quarters of the budget on. The last quarter is for
// data for which windows have been advertised.
func (p *Pool) Level() buffer.Level {
	switch used := p.Used(); {
	case used >= p.limit:
		return buffer.Spent
	case used >= p.exhausted():
		return buffer.Exhausted
	case used >= p.limit-p.limit/4:
		return buffer.Scarce
	}
	return buffer.NoPressure
}

// sharedPages is the number of small pages that the send buffers of near connections share: 8 MiB, a few times the size
// of a cache. With 64 MiB, 64 connections that send bulk data get very unequal parts, and are no faster together.
const sharedPages = 8 << 20 / buffer.PageSize

// Share implements [buffer.Pressure]. It returns half of the unused part of sharedPages, or of an eighth of the budget
// if that is less. N buffers that each hold their share take n/(n+2) of it: a dynamic threshold, as in the queues of a
// switch. The rest of the memory in use, such as that of 10,000 idle connections, does not pass through a cache, and
// does not count.
func (p *Pool) Share() int {
	return int(max(0, min(p.limit/8, sharedPages)-p.Lent())) / 2 * buffer.PageSize
}

const (
	// stalledParts is the number of parts of the unused memory of which a buffer may hold one whose consumer has stalled.
	// A hundred buffers then take two thirds of it.
	stalledParts = 64
	// movingParts is likewise for a consumer that takes data: 6 MiB of 48 MiB, more than its largest congestion window
	// needs on most paths.
	movingParts = 8
	// scarceParts is likewise for a consumer that takes data while memory is scarce: 3 MiB of the 96 MiB between three
	// quarters and fifteen sixteenths of 512 MiB.
	scarceParts = 32
)

// BufferShare implements [buffer.Pressure]. The buffers of stalled consumers share three eighths of the budget: each
// may hold one of stalledParts of its unused part. Other buffers share three quarters, by movingParts, so stalled
// consumers leave them half of that. A very large number of stalled connections can fill three quarters with the little
// that each may hold in any case; other buffers may then hold one of scarceParts of the rest until memory is
// exhausted, and from there on an initial window, or one of scarceParts of the rest of the budget.
func (p *Pool) BufferShare(progress buffer.Progress) int {
	part := func(whole, parts int64) int { return int(max(0, whole-p.Used())) * buffer.PageSize / int(parts) }
	if progress == buffer.Moving {
		scarce := max(part(p.exhausted(), scarceParts), min(part(p.limit, scarceParts), buffer.Small))
		return max(part(p.limit-p.limit/4, movingParts), scarce)
	}
	return part(p.limit*3/8, stalledParts)
}
