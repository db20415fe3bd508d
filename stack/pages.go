package stack

import (
	"sync"
	"sync/atomic"

	"minitcp/conn"
)

// pagePool lends buffer pages to all connections of a stack, and counts them. Pages nobody needs go back to the garbage
// collector.
type pagePool struct {
	pool  sync.Pool
	limit int64 // of pages lent, from which on there is no memory left
	_     [64]byte
	lent  atomic.Int64 // alone on its line of cache
}

// newPagePool returns a pool for a budget in octets.
func newPagePool(budget int64) *pagePool {
	return &pagePool{pool: sync.Pool{New: func() any { return new(conn.Page) }}, limit: max(1, budget/conn.PageSize)}
}

func (p *pagePool) Get() *conn.Page {
	p.lent.Add(1)
	return p.pool.Get().(*conn.Page)
}

func (p *pagePool) Put(page *conn.Page) {
	p.lent.Add(-1)
	p.pool.Put(page)
}

// Scarce is true from three quarters of the budget on: the last quarter is for what has been promised.
func (p *pagePool) Scarce() bool { return p.lent.Load() >= p.limit-p.limit/4 }

func (p *pagePool) Exhausted() bool { return p.lent.Load() >= p.limit }
