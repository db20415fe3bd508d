package stack

import (
	"sync"
	"sync/atomic"

	"minitcp/conn/buffer"
)

// framePool lends the memory into which the device's frames are read. Bulk data stays there until the application has
// read it: a frame is a [buffer.Borrowed].
type framePool struct {
	pool   sync.Pool
	budget *pagePool // budget of retained frames; nil if they are not counted
}

type frame struct {
	memory [MaxFrame]byte
	home   *framePool
	// users is the number of users of the frame: the queue that reads into it, and the connection that retains its data.
	// They finish in either order.
	users atomic.Int32
}

const (
	// framePages is the number of pages that a frame counts as.
	framePages = (MaxFrame + buffer.PageSize - 1) / buffer.PageSize
	// leastLoan is the smallest number of bytes of data for which a connection may retain a frame: half of the frame's
	// memory.
	leastLoan = MaxFrame / 2
)

func newFramePool(pool buffer.Pool) *framePool {
	p := &framePool{}
	p.budget, _ = pool.(*pagePool)
	p.pool.New = func() any { return &frame{home: p} }
	return p
}

func (p *framePool) get() *frame { return p.pool.Get().(*frame) }

// lend prepares f for a connection that may retain it. The goroutine of the queue calls it before the connection sees
// f.
func (f *frame) lend() { f.users.Store(2) }

// kept ends the queue's use of a frame that a connection has retained, and counts the frame in the budget.
func (f *frame) kept() {
	f.home.count(framePages)
	f.unref()
}

// Release implements [buffer.Borrowed]. The memory is reused when the queue is done with it as well.
func (f *frame) Release() {
	f.home.count(-framePages)
	f.unref()
}

func (f *frame) unref() {
	if f.users.Add(-1) == 0 {
		f.home.pool.Put(f)
	}
}

func (p *framePool) count(pages int64) {
	if p.budget != nil {
		p.budget.lent.Add(pages)
	}
}
