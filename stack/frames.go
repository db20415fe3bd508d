package stack

import (
	"sync"

	"minitcp/conn"
)

// framePool lends the memory that the device reads frames into. Bulk data stays there until the application has read it:
// a frame is a [conn.Loan].
type framePool struct {
	pool   sync.Pool
	budget *pagePool // what frames that are kept count against; nil: nothing
}

type frame struct {
	memory [MaxFrame]byte
	home   *framePool
}

const (
	// framePages is how many pages a frame counts as.
	framePages = (MaxFrame + conn.PageSize - 1) / conn.PageSize
	// leastLoan is the fewest octets of data for which a frame is worth keeping: half of what it takes.
	leastLoan = MaxFrame / 2
)

func newFramePool(pages conn.Pages) *framePool {
	p := &framePool{}
	p.budget, _ = pages.(*pagePool)
	p.pool.New = func() any { return &frame{home: p} }
	return p
}

func (p *framePool) get() *frame { return p.pool.Get().(*frame) }

// kept counts a frame that a connection has kept.
func (p *framePool) kept() { p.count(framePages) }

// Return implements [conn.Loan].
func (f *frame) Return() {
	f.home.count(-framePages)
	f.home.pool.Put(f)
}

func (p *framePool) count(pages int64) {
	if p.budget != nil {
		p.budget.lent.Add(pages)
	}
}
