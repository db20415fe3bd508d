package stack

import (
	"math/bits"
	"runtime"
	"sync/atomic"
	"time"

	"minitcp/conn"
)

// Attacher is a [MultiQueue] whose queues can be taken out of use, and back into it.
type Attacher interface {
	MultiQueue
	// Attach makes frames come on the first n queues only. A frame may be lost with a queue that goes.
	Attach(n int) error
}

// spread answers: on how many of the device's queues should frames come? A reader that waits for the next frame spins for a
// while, and one that does not find it in time has to be woken, which costs more than the frame. So with few queues small
// frames are answered sooner; but bulk data is copied by its readers, and the more there are the better. Where there are
// queues for more than half of the processors, the others are used only while there is bulk.
type spread struct {
	device   Attacher
	least    int
	attached atomic.Int32
	changing atomic.Bool

	// Of the goroutine that reads the first queue.
	since  conn.Time
	octets uint64
}

const (
	// lookEvery is how often the rate is looked at.
	lookEvery = 50 * time.Millisecond
	// bulkRate is from how many octets a second on, in both directions, all queues are used: 2 Gbit/s. Below a quarter of
	// it the least are.
	bulkRate = 250_000_000
)

// newSpread is nil where all queues are always used.
func newSpread(d Device) *spread {
	a, ok := d.(Attacher)
	least := max(1, runtime.GOMAXPROCS(0)/2)
	if !ok || a.Queues() <= least || a.Attach(least) != nil {
		return nil
	}
	p := &spread{device: a, least: least}
	p.attached.Store(int32(least))
	return p
}

// lane is the queue on which e's segments leave. The kernel will put what answers them into the same.
func (s *Stack) lane(e *entry) uint8 {
	if s.spread == nil {
		return e.queue
	}
	return laneOf(e.hash, s.spread.attached.Load())
}

// laneOf is one of n. The hashes of consecutive ports lie nearly a step apart, the same all the way: by themselves they would,
// with some seeds, have all of a client's connections on one lane.
func laneOf(hash uint64, n int32) uint8 {
	const odd = 0xd6e8feb86659fd93
	lane, _ := bits.Mul64((hash^hash>>32)*odd, uint64(n))
	return uint8(lane)
}

// look is called with each batch of frames.
func (p *spread) look(now conn.Time, s *Stack) {
	passed := now.Sub(p.since)
	if passed < lookEvery {
		return
	}
	octets := s.totals.own[countOctetsReceived].Load() + s.totals.own[countOctetsSent].Load()
	rate := float64(octets-p.octets) / passed.Seconds()
	p.since, p.octets = now, octets
	all, attached := p.device.Queues(), int(p.attached.Load())
	switch {
	case rate >= bulkRate && attached < all:
		p.change(s, all)
	case rate < bulkRate/4 && attached > p.least:
		p.change(s, p.least)
	}
}

// change attaches n queues, which takes the kernel some milliseconds: not on the goroutine of a queue.
func (p *spread) change(s *Stack, n int) {
	if !p.changing.CompareAndSwap(false, true) {
		return
	}
	s.running.Go(func() {
		defer p.changing.Store(false)
		before := p.attached.Load()
		if n < int(before) { // nothing is sent on a queue that goes
			p.attached.Store(int32(n))
		}
		if p.device.Attach(n) == nil {
			p.attached.Store(int32(n))
		} else {
			p.attached.Store(before)
		}
	})
}
