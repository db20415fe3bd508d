package memory

import (
	"sync"
	"sync/atomic"

	"minitcp/conn/buffer"
	"minitcp/conn/wire"
)

// Frames lends the memory into which the device's frames are read. Bulk data stays there until the application has
// read it: a frame is a [buffer.Borrowed].
type Frames struct {
	pool   sync.Pool
	budget *Pool // budget of retained frames; nil if they are not counted
}

// Frame is memory for one frame.
type Frame struct {
	Memory [MaxFrame]byte
	home   *Frames
	// users is the number of users of the frame: the queue that reads into it, and the connection that retains its data.
	// They finish in either order.
	users atomic.Int32
}

const (
	// MaxFrame is the size in bytes of the largest frame, header and IP packet.
	MaxFrame = wire.VirtioHeaderLen + 65535
	// FramePages is the number of pages that a frame counts as.
	FramePages = (MaxFrame + buffer.PageSize - 1) / buffer.PageSize
	// LeastLoan is the smallest number of bytes of data for which a connection may retain a frame: half of the frame's
	// memory.
	LeastLoan = MaxFrame / 2
)

// NewFrames returns a pool of frames. Those that connections retain count in the budget of pool if it is a [Pool].
func NewFrames(pool buffer.Pool) *Frames {
	p := &Frames{}
	p.budget, _ = pool.(*Pool)
	p.pool.New = func() any { return &Frame{home: p} }
	return p
}

// Get returns a frame.
func (p *Frames) Get() *Frame { return p.pool.Get().(*Frame) }

// Put returns a frame that no connection has retained.
func (p *Frames) Put(f *Frame) { p.pool.Put(f) }

// Lend prepares f for a connection that may retain it. The goroutine of the queue calls it before the connection sees
// f.
func (f *Frame) Lend() { f.users.Store(2) }

// Kept ends the queue's use of a frame that a connection has retained, and counts the frame in the budget.
func (f *Frame) Kept() {
	f.home.count(FramePages)
	f.unref()
}

// Release implements [buffer.Borrowed]. The memory is reused when the queue is done with it as well.
func (f *Frame) Release() {
	f.home.count(-FramePages)
	f.unref()
}

func (f *Frame) unref() {
	if f.users.Add(-1) == 0 {
		f.home.pool.Put(f)
	}
}

func (p *Frames) count(pages int64) {
	if p.budget != nil {
		p.budget.Lend(pages)
	}
}
