package stack

import (
	"os"
	"sync"
	"syscall"

	"minitcp/stack/internal/memory"
	"minitcp/stack/internal/wait"
)

// loop is the queue of packets that the stack sends to its own addresses, which bypass the device. Its goroutine starts
// with the first of them.
type loop struct {
	stack  *Stack
	number uint8 // number of the queue, the one after those of the device
	start  sync.Once

	mu      sync.Mutex
	ready   wait.Waiter
	waiting []*memory.Frame
	sizes   []int
	closed  bool
}

// maxLooped is the largest number of frames that wait. Those beyond it are lost, as on any network.
const maxLooped = 1024

// WriteFrame implements queueIO.
func (l *loop) WriteFrame(parts [][]byte) error {
	l.start.Do(l.run)
	f := l.stack.frames.Get()
	size := 0
	for _, p := range parts {
		if size+len(p) > len(f.Memory) {
			l.stack.frames.Put(f)
			return syscall.EMSGSIZE
		}
		size += copy(f.Memory[size:], p)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed || len(l.waiting) == maxLooped {
		l.stack.frames.Put(f)
		return syscall.ENOBUFS
	}
	l.waiting, l.sizes = append(l.waiting, f), append(l.sizes, size)
	l.ready.Wake()
	return nil
}

// run starts the goroutine that reads the queue, unless the stack has ended.
func (l *loop) run() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.closed {
		q := newQueue(l.stack, l.number)
		l.stack.running.Go(q.run)
	}
}

// ReadBatch implements queueIO.
func (l *loop) ReadBatch(frames [][]byte, sizes []int) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for len(l.waiting) == 0 {
		if l.closed {
			return 0, os.ErrClosed
		}
		l.ready.Wait(&l.mu)
	}
	n := min(len(frames), len(l.waiting))
	for i, f := range l.waiting[:n] {
		sizes[i] = copy(frames[i], f.Memory[:l.sizes[i]])
		l.stack.frames.Put(f)
	}
	l.waiting = append(l.waiting[:0], l.waiting[n:]...)
	l.sizes = append(l.sizes[:0], l.sizes[n:]...)
	return n, nil
}

// close ends the goroutine.
func (l *loop) close() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.closed = true
	l.ready.Broadcast()
}

// noDevice is the device of a stack without one. It receives nothing, and frames written to it are lost.
type noDevice struct {
	closed chan struct{}
	once   sync.Once
}

func newNoDevice() *noDevice { return &noDevice{closed: make(chan struct{})} }

func (d *noDevice) ReadBatch([][]byte, []int) (int, error) {
	<-d.closed
	return 0, os.ErrClosed
}

func (d *noDevice) WriteFrame([][]byte) error { return syscall.ENETUNREACH }
func (d *noDevice) MTU() int                  { return maxPacket }
func (d *noDevice) Offloads() bool            { return true }

func (d *noDevice) Close() error {
	d.once.Do(func() { close(d.closed) })
	return nil
}

// withoutDevice reports whether the stack reaches its own addresses only.
func (s *Stack) withoutDevice() bool {
	_, without := s.device.(*noDevice)
	return without
}
