package stack

import (
	"sync"

	"minitcp/conn"
)

// pagePool lends buffer pages to all connections of a stack. Pages nobody needs go back to the garbage collector.
type pagePool struct {
	pool sync.Pool
}

func newPagePool() *pagePool {
	return &pagePool{sync.Pool{New: func() any { return new(conn.Page) }}}
}

func (p *pagePool) Get() *conn.Page     { return p.pool.Get().(*conn.Page) }
func (p *pagePool) Put(page *conn.Page) { p.pool.Put(page) }
