// Package loopback has the queue of packets from a stack to its own addresses, and the device of a stack without one.
package loopback

import (
	"os"
	"sync"
	"syscall"

	"minitcp/stack/internal/memory"
	"minitcp/stack/internal/wait"
)

// Queue is the queue of packets that a stack sends to its own addresses, which bypass the device.
type Queue struct {
	frames *memory.Frames
	begin  func()

	mu      sync.Mutex
	ready   wait.Waiter
	waiting []*memory.Frame
	sizes   []int
	begun   bool
	closed  bool
}

// maxWaiting is the largest number of frames that wait. Those beyond it are lost, as on any network.
const maxWaiting = 1024

// New returns an empty queue. It calls begin, which must not block, when the first frame is written.
func New(frames *memory.Frames, begin func()) *Queue { return &Queue{frames: frames, begin: begin} }

// WriteFrame writes a frame gathered from parts.
func (q *Queue) WriteFrame(parts [][]byte) error {
	f := q.frames.Get()
	size := 0
	for _, p := range parts {
		if size+len(p) > len(f.Memory) {
			q.frames.Put(f)
			return syscall.EMSGSIZE
		}
		size += copy(f.Memory[size:], p)
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed || len(q.waiting) == maxWaiting {
		q.frames.Put(f)
		return syscall.ENOBUFS
	}
	if !q.begun {
		q.begun = true
		q.begin()
	}
	q.waiting, q.sizes = append(q.waiting, f), append(q.sizes, size)
	q.ready.Wake()
	return nil
}

// ReadBatch waits for frames and copies them to frames, as many as fit. Its error after Close is [os.ErrClosed].
func (q *Queue) ReadBatch(frames [][]byte, sizes []int) (int, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for len(q.waiting) == 0 {
		if q.closed {
			return 0, os.ErrClosed
		}
		q.ready.Wait(&q.mu)
	}
	n := min(len(frames), len(q.waiting))
	for i, f := range q.waiting[:n] {
		sizes[i] = copy(frames[i], f.Memory[:q.sizes[i]])
		q.frames.Put(f)
	}
	q.waiting = append(q.waiting[:0], q.waiting[n:]...)
	q.sizes = append(q.sizes[:0], q.sizes[n:]...)
	return n, nil
}

// Close makes ReadBatch return when all frames are read. Begin is not called afterwards.
func (q *Queue) Close() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.closed = true
	q.ready.Broadcast()
}
