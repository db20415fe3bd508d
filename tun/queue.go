//go:build linux

package tun

import (
	"errors"
	"runtime"
	"sync"
	"sync/atomic"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
	wgtun "golang.zx2c4.com/wireguard/tun"
)

// queue is one of a device's files.
type queue struct {
	inner wgtun.Device // owns the file
	raw   syscall.RawConn
	fd    int // valid under Device.life, while not closed

	attaching sync.Mutex
	attached  atomic.Bool // the kernel uses the queue

	// reading serializes read. ready is made once and finds its arguments here, so that no call allocates.
	reading struct {
		sync.Mutex
		ready  func(fd uintptr) bool
		frames [][]byte
		sizes  []int
		n      int
		asked  int   // in vain
		last   int   // n of the last call
		ring   *ring // nil: there is none
		err    error
	}
}

// maxAsked is how often an empty queue is asked again, after others have had their turn, before the reader parks.
// Parking and being woken costs more than what it takes a peer on the same machine to answer: with 64 tries, some 30 µs,
// one connection's ping-pong was 1.7 times as fast as with none, connecting 1.3 times, for less CPU time in both, and
// bulk was the same. Twice as many gained nothing.
const maxAsked = 64

// leastAsked is for how many frames the ring is asked, at least.
const leastAsked = 8

// newQueue makes a queue of a device's file. Inner belongs to the caller if this fails.
func newQueue(inner wgtun.Device, name string) (*queue, error) {
	raw, err := inner.File().SyscallConn() // File.Fd would make the file blocking
	if err != nil {
		return nil, configureError(name, "the device's file is not to be had", err)
	}
	q := &queue{inner: inner, raw: raw}
	q.reading.ready = q.take
	var failed error
	err = raw.Control(func(fd uintptr) {
		q.fd = int(fd)
		// Once more after wireguard, which asks for UDP's offloads too.
		failed = unix.IoctlSetInt(q.fd, unix.TUNSETOFFLOAD, offloads)
	})
	if err = errors.Join(err, failed); err != nil {
		return nil, configureError(name, "the offloads cannot be set", err)
	}
	q.reading.ring, _ = newRing(q.fd) // it goes without
	return q, nil
}

// use attaches the queue before its first read or write. Nothing detaches it again: the kernel discards the frames that
// wait in a queue when it is detached.
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

// set has the kernel attach or detach the queue (IFF_ATTACH_QUEUE or IFF_DETACH_QUEUE).
func (q *queue) set(what uint16) error {
	request, _ := unix.NewIfreq("")
	request.SetUint16(what)
	var failed error
	err := q.raw.Control(func(fd uintptr) { failed = unix.IoctlIfreq(int(fd), unix.TUNSETQUEUE, request) })
	return errors.Join(err, failed)
}

// gone asks the kernel whether the device has been deleted.
func (q *queue) gone() bool {
	request, _ := unix.NewIfreq("")
	return unix.IoctlIfreq(q.fd, unix.TUNGETIFF, request) == unix.EBADFD
}

// takes asks the kernel whether it finds the memory for a frame, by one that is no packet. It is counted as dropped.
func (q *queue) takes(size int) bool {
	return writev(q.fd, [][]byte{make([]byte, size)}) == unix.EINVAL // and not for want of memory
}

// read waits for a frame and takes what is there.
func (q *queue) read(frames [][]byte, sizes []int) (int, error) {
	r := &q.reading
	r.Lock()
	defer r.Unlock()
	if err := q.use(); err != nil {
		return 0, err
	}
	r.frames, r.sizes, r.n, r.asked, r.err = frames, sizes, 0, 0, nil
	err := q.raw.Read(r.ready)
	n := r.n
	r.frames, r.sizes = nil, nil
	if err != nil {
		return 0, err // the poller's: closed, or gone
	}
	r.last = n
	if n == 0 {
		return 0, r.err
	}
	return n, nil
}

// take takes frames without blocking. False: there is none, call again when there may be.
func (q *queue) take(fd uintptr) bool {
	r := &q.reading
	for r.n < len(r.frames) {
		n, errno := q.more(int(fd), r.frames[r.n:], r.sizes[r.n:])
		r.n += n
		switch {
		case r.n == 1 && r.asked > 0 && r.last == 1:
			return true // alone, as the one before was: to ask for another takes longer than it is worth
		case errno == 0, errno == unix.EINTR:
		case r.n > 0:
			return true // if it is an error, it will be there again
		case errno != unix.EAGAIN:
			r.err = errno
			return true
		case r.asked == maxAsked:
			return false
		default:
			r.asked++
			runtime.Gosched()
		}
	}
	return true
}

// more reads a frame; after the first, several at once.
func (q *queue) more(fd int, frames [][]byte, sizes []int) (int, syscall.Errno) {
	r := &q.reading
	if r.ring != nil && r.n > 0 {
		// As many as came last: to ask for one in vain takes 0.2 µs.
		n, errno := r.ring.read(frames[:min(len(frames), max(r.last, leastAsked))], sizes)
		if n > 0 || errno == unix.EAGAIN {
			return n, errno
		}
		q.closeRing() // it has failed, or the device has: a read tells
	}
	n, errno := read(fd, frames[0])
	if errno != 0 {
		return 0, errno
	}
	sizes[0] = n
	return 1, 0
}

// closeRing is called with reading locked.
func (q *queue) closeRing() {
	if r := &q.reading; r.ring != nil {
		r.ring.close()
		r.ring = nil
	}
}

// Neither read nor writev waits for a frame or for room, so the scheduler is not told of them: one would be long enough for
// it to give the thread's place to another, and to be asked for one afterwards. It is a twentieth of the CPU time.

// read is unix.Read otherwise.
func read(fd int, p []byte) (int, syscall.Errno) {
	n, _, errno := unix.RawSyscall(unix.SYS_READ, uintptr(fd), uintptr(unsafe.Pointer(unsafe.SliceData(p))), uintptr(len(p)))
	if errno != 0 {
		return 0, errno
	}
	return int(n), 0
}

// maxParts is how many parts writev takes without allocating: headers, and the data of a frame of MaxFrame octets in pieces
// of 8 KiB.
const maxParts = 40

// writev is unix.Writev without its allocations. A TUN takes a whole frame or nothing.
func writev(fd int, parts [][]byte) syscall.Errno {
	var array [maxParts]unix.Iovec
	vector := array[:0]
	for _, p := range parts {
		if len(p) == 0 {
			continue
		}
		v := unix.Iovec{Base: &p[0]}
		v.SetLen(len(p))
		vector = append(vector, v)
	}
	for {
		_, _, errno := unix.RawSyscall(unix.SYS_WRITEV, uintptr(fd), uintptr(unsafe.Pointer(unsafe.SliceData(vector))), uintptr(len(vector)))
		if errno != unix.EINTR {
			return errno
		}
	}
}
