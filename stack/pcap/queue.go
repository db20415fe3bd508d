package pcap

import (
	"sync"
	"sync/atomic"

	"minitcp/conn"
	"minitcp/stack"
)

// packet is a copy of a frame in the queue.
type packet struct {
	memory   []byte // pooled buffer
	frame    []byte // part of memory with the frame
	time     int64  // nanoseconds since 1970
	outgoing bool
	state    conn.State
	lost     uint64 // number of frames lost before it
}

// queue holds packets for the goroutine that writes. It is limited by memory, not by the number of packets, because
// their sizes differ widely.
type queue struct {
	packets chan *packet
	room    atomic.Int64 // bytes left
}

// Sizes of the pooled buffers in bytes: for a segment on an ordinary link, and for any frame.
const (
	smallMemory = 2048
	largeMemory = stack.MaxFrame
)

var (
	smallPackets = sync.Pool{New: func() any { return &packet{memory: make([]byte, smallMemory)} }}
	largePackets = sync.Pool{New: func() any { return &packet{memory: make([]byte, largeMemory)} }}
)

func newQueue(size int) *queue {
	size = max(size, largeMemory)
	q := &queue{packets: make(chan *packet, size/smallMemory)}
	q.room.Store(int64(size))
	return q
}

// take returns a copy of the frame in parts, or nil if the queue has no room for it.
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

// put adds a packet to the queue. It never blocks, because take limits the number of packets.
func (q *queue) put(p *packet) { q.packets <- p }

// release returns the memory of a packet to its pool.
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

// close ends the goroutine once it has written all packets. put must not be called afterwards.
func (q *queue) close() { close(q.packets) }
