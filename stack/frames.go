package stack

import (
	"sync"
	"sync/atomic"

	"minitcp/conn/buffer"
)

// framePool lends the memory that the device reads frames into. Bulk data stays there until the application has read it:
// a frame is a [buffer.Borrowed].
type framePool struct {
	pool   sync.Pool
	budget *pagePool // what frames that are kept count against; nil: nothing
}

type frame struct {
	memory [MaxFrame]byte
	home   *framePool
	// users counts the queue that reads the frame and the connection that keeps its data. Either may be done with it
	// first.
	users atomic.Int32
}

const (
	// framePages is how many pages a frame counts as.
	framePages = (MaxFrame + buffer.PageSize - 1) / buffer.PageSize
	// leastLoan is the fewest octets of data for which a frame is worth keeping: half of what it takes.
	leastLoan = MaxFrame / 2
)

func newFramePool(pool buffer.Pool) *framePool {
	p := &framePool{}
	p.budget, _ = pool.(*pagePool)
	p.pool.New = func() any { return &frame{home: p} }
	return p
}

func (p *framePool) get() *frame { return p.pool.Get().(*frame) }

// lend prepares f for a connection that may keep it. The queue's goroutine calls it before the connection sees f.
func (f *frame) lend() { f.users.Store(2) }

// kept is the queue's end of a frame that a connection has kept: the queue does not use it any more. It counts the frame
// as long as the connection has it.
func (f *frame) kept() {
	f.home.count(framePages)
	f.unref()
}

// Release implements [buffer.Borrowed]. The memory is not used again before the queue is done with it, too.
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
