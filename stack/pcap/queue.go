package pcap

import (
	"sync"
	"sync/atomic"

	"minitcp/conn"
	"minitcp/stack"
)

// packet is a copy of a frame, on its way to the file.
type packet struct {
	memory   []byte // from a pool
	frame    []byte // in it
	time     int64  // nanoseconds since 1970
	outgoing bool
	state    conn.State
	lost     uint64 // how many had been lost when it came
}

// queue holds packets for the goroutine that writes. Its bound is the memory they take, so that neither many small ones
// nor a few superframes can make it grow.
type queue struct {
	packets chan *packet
	room    atomic.Int64 // octets
}

// The two sizes of memory there are: for a segment on an ordinary link, and for any frame.
const (
	smallMemory = 2048
	largeMemory = stack.MaxFrame
)

var (
	smallPackets = sync.Pool{New: func() any { return &packet{memory: make([]byte, smallMemory)} }}
	largePackets = sync.Pool{New: func() any { return &packet{memory: make([]byte, largeMemory)} }}
)

func newQueue(octets int) *queue {
	octets = max(octets, largeMemory)
	q := &queue{packets: make(chan *packet, octets/smallMemory)}
	q.room.Store(int64(octets))
	return q
}

// take returns a copy of the frame that is in parts, or nil if there is no room for it.
func (q *queue) take(parts [][]byte) *packet {
	size := 0
	for _, p := range parts {
		size += len(p)
	}
	if size > largeMemory {
		return nil
	}
	pool, memory := &smallPackets, int64(smallMemory)
	if size > smallMemory {
		pool, memory = &largePackets, largeMemory
	}
	if q.room.Add(-memory) < 0 {
		q.room.Add(memory)
		return nil
	}
	p := pool.Get().(*packet)
	n := 0
	for _, part := range parts {
		n += copy(p.memory[n:], part)
	}
	p.frame = p.memory[:n]
	return p
}

// put never waits: there are not more packets than the channel holds.
func (q *queue) put(p *packet) { q.packets <- p }

// release takes a packet's memory back.
func (q *queue) release(p *packet) {
	memory := int64(len(p.memory))
	if memory == smallMemory {
		smallPackets.Put(p)
	} else {
		largePackets.Put(p)
	}
	q.room.Add(memory)
}

func (q *queue) empty() bool { return len(q.packets) == 0 }

// close lets the goroutine end when it has seen all. Nothing may be put afterwards.
func (q *queue) close() { close(q.packets) }
