//go:build linux

package tun

import (
	"errors"
	"os"
	"runtime"
	"sync"
	"sync/atomic"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
	wgtun "golang.zx2c4.com/wireguard/tun"

	"minitcp/tun/internal/uring"
)

// queue is one of a device's files.
type queue struct {
	inner wgtun.Device // owns the file
	raw   syscall.RawConn
	fd    int // valid while life is held and closed is false

	segmentsUDP bool // superframes of UDP pass

	// life keeps the file open during a write. Writers share it: the kernel accepts frames from many threads at once,
	// while os.File would serialize them. Each queue has its own, so that writers of different queues share no cache
	// line.
	life   sync.RWMutex
	closed bool

	attaching sync.Mutex
	attached  atomic.Bool // the kernel uses the queue

	// reading serializes read. ready is allocated once and takes its arguments from here, so that no call allocates.
	reading struct {
		sync.Mutex
		ready  func(fd uintptr) bool
		frames [][]byte
		sizes  []int
		n      int // frames read by this call
		polls  polls
		last   int           // n of the last call
		uring  *uring.Reader // nil if the kernel refuses io_uring
		err    error
	}
}

// minBatch is the smallest number of reads that readMore submits to io_uring at once, if there are buffers for them.
const minBatch = 8

// newQueue makes a queue of a device's file. Inner belongs to the caller if this fails.
func newQueue(inner wgtun.Device, name string) (*queue, error) {
	raw, err := inner.File().SyscallConn() // File.Fd would make the file blocking
	if err != nil {
		return nil, configureError(name, "cannot access the TUN file descriptor", err)
	}
	q := &queue{inner: inner, raw: raw}
	q.reading.ready = q.readAvailable
	var failed error
	err = raw.Control(func(fd uintptr) {
		q.fd = int(fd)
		q.segmentsUDP, failed = setOffloads(func(offloads int) error { // wireguard has set its own
			return unix.IoctlSetInt(q.fd, unix.TUNSETOFFLOAD, offloads)
		})
	})
	if err = errors.Join(err, failed); err != nil {
		return nil, configureError(name, "cannot set the offloads", err)
	}
	q.reading.uring, _ = uring.New(q.fd) // without one, frames are read singly
	return q, nil
}

// use attaches the queue before its first read or write. The queue stays attached until Close, because the kernel
// discards the frames that wait in a queue when it is detached.
func (q *queue) use() error {
	if q.attached.Load() {
		return nil
	}
	q.attaching.Lock()
	defer q.attaching.Unlock()
	if q.attached.Load() {
		return nil
	}
	err := q.set(unix.IFF_ATTACH_QUEUE)
	q.attached.Store(err == nil)
	return err
}

// set attaches the queue to the device (IFF_ATTACH_QUEUE) or detaches it (IFF_DETACH_QUEUE).
func (q *queue) set(flag uint16) error {
	request, _ := unix.NewIfreq("")
	request.SetUint16(flag)
	var failed error
	err := q.raw.Control(func(fd uintptr) { failed = unix.IoctlIfreq(int(fd), unix.TUNSETQUEUE, request) })
	return errors.Join(err, failed)
}

// gone reports whether the device has been deleted. Its caller holds life.
func (q *queue) gone() bool {
	request, _ := unix.NewIfreq("")
	return unix.IoctlIfreq(q.fd, unix.TUNGETIFF, request) == unix.EBADFD
}

// accepts reports whether the kernel finds the memory for a frame of that size. The frame it tries is invalid, so the
// kernel drops it, and counts it as dropped.
func (q *queue) accepts(size int) bool {
	return writev(q.fd, [][]byte{make([]byte, size)}) == unix.EINVAL // ENOMEM otherwise
}

// write sends one frame. Its errors are those of Device.WriteQueue.
func (q *queue) write(parts [][]byte) error {
	q.life.RLock() // without defer, which would take more of the sender's stack
	err := q.usable()
	if err == nil {
		err = writeError(writev(q.fd, parts))
	}
	q.life.RUnlock()
	return err
}

// usable attaches the queue if it is not, and returns the error of a write that cannot be tried. Its caller holds life.
func (q *queue) usable() error {
	if q.closed {
		return os.ErrClosed
	}
	err := q.use()
	if err != nil && q.gone() {
		return ErrGone
	}
	return err
}

// writeError returns the error of a write that the kernel has completed with errno.
func writeError(errno syscall.Errno) error {
	switch errno {
	case 0:
		return nil
	case unix.EBADFD:
		return ErrGone
	}
	return FrameError(errno)
}

// read waits for a frame, and reads those that have arrived. Its errors are those of Device.ReadQueue.
func (q *queue) read(frames [][]byte, sizes []int) (int, error) {
	n, err := q.readBatch(frames, sizes)
	if err != nil {
		return 0, q.readError(err)
	}
	return n, nil
}

func (q *queue) readBatch(frames [][]byte, sizes []int) (int, error) {
	r := &q.reading
	r.Lock()
	defer r.Unlock()
	if err := q.use(); err != nil {
		return 0, err
	}
	r.frames, r.sizes, r.n, r.err = frames, sizes, 0, nil
	r.polls.begin()
	err := q.raw.Read(r.ready)
	n := r.n
	r.frames, r.sizes = nil, nil
	if err != nil {
		return 0, err // from Go's poller: the file is closed, or the device has been deleted
	}
	r.last = n
	if n == 0 {
		return 0, r.err
	}
	return n, nil
}

// readAvailable reads frames without blocking. It returns false if there is none: it is called again when the file
// becomes readable.
func (q *queue) readAvailable(fd uintptr) bool {
	r := &q.reading
	for r.n < len(r.frames) {
		n, errno := q.readMore(int(fd), r.frames[r.n:], r.sizes[r.n:])
		if r.n == 0 && n > 0 {
			r.polls.found()
		}
		r.n += n
		switch {
		case r.n == 1 && r.polls.n > 0 && r.last == 1:
			return true // a single frame, as in the last call: a read for a second one would cost more than it gains
		case errno == 0, errno == unix.EINTR:
		case r.n > 0:
			return true // an error other than EAGAIN recurs at the next call
		case errno != unix.EAGAIN:
			r.err = errno
			return true
		case !r.polls.again():
			return false
		default:
			runtime.Gosched()
		}
	}
	return true
}

// readMore reads one frame with read(2) if it is the first of a batch, and several through io_uring after that.
func (q *queue) readMore(fd int, frames [][]byte, sizes []int) (int, syscall.Errno) {
	r := &q.reading
	if r.uring != nil && r.n > 0 {
		// The last batch predicts the size of this one. A surplus read finds no frame, and costs little.
		n, errno := r.uring.Read(frames[:min(len(frames), max(r.last, minBatch))], sizes)
		if n > 0 || errno == unix.EAGAIN {
			return n, errno
		}
		q.closeUring() // io_uring or the device has failed; read(2) returns the device's error
	}
	n, errno := read(fd, frames[0])
	if errno != 0 {
		return 0, errno
	}
	sizes[0] = n
	return 1, 0
}

// closeUring makes the queue read with read(2) from now on. Its caller holds reading.
func (q *queue) closeUring() {
	if r := &q.reading; r.uring != nil {
		r.uring.Close()
		r.uring = nil
	}
}

// readError returns the error of ReadQueue for one of a failed read. If the device was deleted while no read was
// blocked, the error of Go's poller is only that it cannot wait for the file.
func (q *queue) readError(err error) error {
	q.life.RLock()
	defer q.life.RUnlock()
	switch {
	case q.closed:
		return os.ErrClosed
	case errors.Is(err, unix.EBADFD), q.gone():
		return ErrGone
	}
	return err
}

// markClosed makes reads and writes fail with os.ErrClosed, and waits for the writes under way.
func (q *queue) markClosed() {
	q.life.Lock()
	q.closed = true
	q.life.Unlock()
}

// close closes the file. It waits for the read under way, which it ends.
func (q *queue) close() error {
	err := q.inner.Close()
	q.reading.Lock()
	q.closeUring()
	q.reading.Unlock()
	return err
}

// Neither read nor writev blocks, so they are hidden from the Go scheduler. Otherwise it would give the processor of a
// thread in a long call to another thread, and the first would wait for a processor afterwards. bench/README.md has the
// gain.

// read acts like unix.Read without its calls of the scheduler.
func read(fd int, p []byte) (int, syscall.Errno) {
	n, _, errno := unix.RawSyscall(unix.SYS_READ, uintptr(fd), uintptr(unsafe.Pointer(unsafe.SliceData(p))), uintptr(len(p)))
	if errno != 0 {
		return 0, errno
	}
	return int(n), 0
}

const (
	// maxParts is the number of parts that writev accepts without allocating: the headers, and the data of a frame of
	// MaxFrame bytes in parts of 8 KiB, or 64 datagrams.
	maxParts = 65
	// fewParts is the number of parts of most frames.
	fewParts = 4
)

// writev acts like unix.Writev without its allocations. A TUN accepts the whole frame or nothing.
//
// It is called deep in the stack of every goroutine that sends. A vector of maxParts there would make the runtime
// enlarge the stack of most, which takes longer than the call.
func writev(fd int, parts [][]byte) syscall.Errno {
	if len(parts) > fewParts {
		return writevMany(fd, parts)
	}
	var vector [fewParts]unix.Iovec
	n := fill(vector[:], parts)
	for {
		if errno := writeVector(fd, vector[:], n); errno != unix.EINTR {
			return errno
		}
	}
}

// writevMany acts like writev and uses more of the stack. Up to maxParts it does not allocate.
//
//go:noinline
func writevMany(fd int, parts [][]byte) syscall.Errno {
	vector := make([]unix.Iovec, maxParts)
	if len(parts) > maxParts {
		vector = make([]unix.Iovec, len(parts))
	}
	n := fill(vector, parts)
	for {
		if errno := writeVector(fd, vector, n); errno != unix.EINTR {
			return errno
		}
	}
}

// fill puts the parts that are not empty into vector, and returns their number.
func fill(vector []unix.Iovec, parts [][]byte) (n int) {
	for _, p := range parts {
		if len(p) > 0 {
			vector[n].Base = &p[0]
			vector[n].SetLen(len(p))
			n++
		}
	}
	return n
}

// writeVector calls writev(2) with the first n parts of vector.
func writeVector(fd int, vector []unix.Iovec, n int) syscall.Errno {
	_, _, errno := unix.RawSyscall(unix.SYS_WRITEV, uintptr(fd), uintptr(unsafe.Pointer(unsafe.SliceData(vector))), uintptr(n))
	return errno
}
