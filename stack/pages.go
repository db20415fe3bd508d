package stack

import (
	"sync"
	"sync/atomic"

	"minitcp/conn/buffer"
)

// pagePool lends buffer pages to all connections of a stack, and counts them. The garbage collector reclaims unused
// pages.
type pagePool struct {
	small sync.Pool
	large sync.Pool
	limit int64 // budget, in small pages
	_     [64]byte
	lent  atomic.Int64 // pages lent, in small pages; alone on its cache line, with bytes
	bytes atomic.Int64 // bytes in use besides pages
}

// bulkCount is a [conn.Counter] that fills a cache line, because every segment reads it and it changes rarely.
type bulkCount struct {
	atomic.Int64
	_ [56]byte
}

// newPagePool returns a pool for a budget in bytes.
func newPagePool(budget int64) *pagePool {
	p := &pagePool{limit: max(1, budget/buffer.PageSize)}
	p.small.New = func() any { return buffer.NewPage(buffer.PageSize) }
	p.large.New = func() any { return buffer.NewPage(buffer.LargePage) }
	return p
}

func (p *pagePool) of(size int) *sync.Pool {
	if size == buffer.LargePage {
		return &p.large
	}
	return &p.small
}

func (p *pagePool) Get(size int) *buffer.Page {
	p.lent.Add(int64(size / buffer.PageSize))
	return p.of(size).Get().(*buffer.Page)
}

func (p *pagePool) Put(page *buffer.Page) {
	p.lent.Add(-int64(page.Size() / buffer.PageSize))
	p.of(page.Size()).Put(page)
}

// Charge implements [buffer.Pool].
func (p *pagePool) Charge(change int) { p.bytes.Add(int64(change)) }

// used returns the memory in use, in small pages.
func (p *pagePool) used() int64 { return p.lent.Load() + p.bytes.Load()/buffer.PageSize }

// Level implements [buffer.Pressure]. Memory is scarce from three quarters of the budget on. The last quarter is for
// data for which windows have been advertised.
func (p *pagePool) Level() buffer.Level {
	switch used := p.used(); {
	case used >= p.limit:
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
// switch.
func (p *pagePool) Share() int {
	return int(max(0, min(p.limit/8, sharedPages)-p.used())) / 2 * buffer.PageSize
}
