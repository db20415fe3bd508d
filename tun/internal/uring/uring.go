//go:build linux

// Package uring reads several frames of a TUN in one system call, with io_uring(7).
package uring

import (
	"fmt"
	"runtime"
	"sync/atomic"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Batch is the largest number of frames that one Read takes, a power of two. bench/README.md has the time per frame for
// several sizes; beyond 32 it hardly falls. The scheduler cannot stop the thread during the call.
const Batch = 32

// maxAwaits is the largest number of waits for one completion. A wait that ends without one was interrupted by a
// signal.
const maxAwaits = 1000

// Reader reads the frames that wait in one file. Every read has RWF_NOWAIT, so it is complete when Read returns and the
// kernel keeps no reference to the caller's memory. A Reader is not safe for concurrent use.
type Reader struct {
	fd      int
	queues  []byte // mapping of the submission queue's indexes and of the completion queue
	entries []byte // mapping of the submission queue's entries

	submissions [Batch]*submission
	tail        *uint32 // of the submission queue

	completions        []completion
	doneHead, doneTail *uint32 // of the completion queue
	doneMask           uint32
	broken             bool // a completion is missing
}

// New returns a Reader of file, a descriptor that must stay open until Close. It fails if the kernel has no io_uring,
// has one older than Linux 5.4, or refuses it to this process, as a seccomp filter or the sysctl
// kernel.io_uring_disabled does.
func New(file int) (*Reader, error) {
	var p params
	fd, _, errno := unix.Syscall(unix.SYS_IO_URING_SETUP, Batch, uintptr(unsafe.Pointer(&p)), 0)
	if errno != 0 {
		return nil, fmt.Errorf("io_uring_setup: %w", errno)
	}
	r := &Reader{fd: int(fd)}
	if p.features&featureSingleMmap == 0 || p.submissions != Batch {
		r.Close()
		return nil, fmt.Errorf("io_uring_setup: %d entries with features %#x; want %d with IORING_FEAT_SINGLE_MMAP", p.submissions, p.features, Batch)
	}
	if err := r.mapQueues(&p); err != nil {
		r.Close()
		return nil, fmt.Errorf("mmap of an io_uring: %w", err)
	}
	for i := range r.submissions {
		*r.word(p.sq.array + uint32(i)*4) = uint32(i)
		s := (*submission)(unsafe.Pointer(&r.entries[i*int(unsafe.Sizeof(submission{}))]))
		*s = submission{opcode: opRead, fd: int32(file), offset: ^uint64(0), flags: unix.RWF_NOWAIT}
		r.submissions[i] = s
	}
	r.tail = r.word(p.sq.tail)
	r.doneHead, r.doneTail, r.doneMask = r.word(p.cq.head), r.word(p.cq.tail), *r.word(p.cq.mask)
	r.completions = unsafe.Slice((*completion)(unsafe.Pointer(&r.queues[p.cq.cqes])), p.completions)
	return r, nil
}

func (r *Reader) mapQueues(p *params) (err error) {
	size := max(p.sq.array+p.submissions*4, p.cq.cqes+p.completions*uint32(unsafe.Sizeof(completion{})))
	const protection, flags = unix.PROT_READ | unix.PROT_WRITE, unix.MAP_SHARED | unix.MAP_POPULATE
	if r.queues, err = unix.Mmap(r.fd, 0, int(size), protection, flags); err != nil {
		return err
	}
	r.entries, err = unix.Mmap(r.fd, offsetSubmissions, Batch*int(unsafe.Sizeof(submission{})), protection, flags)
	return err
}

// word returns the 32-bit field at an offset of the mapped queues.
func (r *Reader) word(offset uint32) *uint32 { return (*uint32)(unsafe.Pointer(&r.queues[offset])) }

// Close releases the io_uring. No Read may be under way.
func (r *Reader) Close() {
	for _, m := range [][]byte{r.queues, r.entries} {
		if m != nil {
			unix.Munmap(m)
		}
	}
	unix.Close(r.fd)
}

// Read reads the frames that wait, without blocking: up to Batch, and as many as there are frames. Frame i is
// frames[i][:sizes[i]]. If it returns fewer, errno is the reason: EAGAIN if no more frame waits, otherwise a failure of
// the file or of the io_uring. Read loses no frame when it fails, except if a completion is missing (EIO); after that
// it reads nothing more. The caller continues with read(2).
func (r *Reader) Read(frames [][]byte, sizes []int) (n int, errno syscall.Errno) {
	if r.broken {
		return 0, unix.EIO
	}
	wanted := min(len(frames), Batch)
	tail := *r.tail
	for i, f := range frames[:wanted] {
		s := r.submissions[(tail+uint32(i))%Batch]
		s.address, s.length, s.data = uint64(uintptr(unsafe.Pointer(unsafe.SliceData(f)))), uint32(len(f)), uint64(i)
	}
	atomic.StoreUint32(r.tail, tail+uint32(wanted))
	taken, errno := r.submit(wanted)
	if taken < wanted { // withdraw the entries that the kernel has not taken
		atomic.StoreUint32(r.tail, tail+uint32(taken))
	}
	results, complete := r.collect(taken)
	r.broken = !complete
	for i, result := range results[:taken] {
		if result < 0 {
			errno = syscall.Errno(-result)
			continue
		}
		if i > n { // an earlier read came before the frame
			result = int32(copy(frames[n], frames[i][:result]))
		}
		sizes[n] = int(result)
		n++
	}
	runtime.KeepAlive(frames)
	return n, errno
}

// submit hands entries to the kernel and returns the number it has taken. The kernel completes a read with RWF_NOWAIT
// before the call returns. The call does not block, so it is hidden from the Go scheduler.
func (r *Reader) submit(entries int) (int, syscall.Errno) {
	n, _, errno := unix.RawSyscall6(unix.SYS_IO_URING_ENTER, uintptr(r.fd), uintptr(entries), 0, enterGetEvents, 0, 0)
	if errno != 0 {
		return 0, errno
	}
	return int(n), 0
}

// collect returns the results of the submitted reads in the order of their frames: the frame's size, or a negative
// errno. A read whose completion is missing has -EIO, and complete is false.
func (r *Reader) collect(submitted int) (results [Batch]int32, complete bool) {
	for i := range submitted {
		results[i] = -int32(unix.EIO)
	}
	for range submitted {
		head := *r.doneHead
		if atomic.LoadUint32(r.doneTail) == head && !r.await() {
			return results, false
		}
		c := &r.completions[head&r.doneMask]
		results[c.data] = c.result
		atomic.StoreUint32(r.doneHead, head+1)
	}
	return results, true
}

// await waits for a completion that is missing after submit, which means that the kernel has moved the read to another
// thread in spite of RWF_NOWAIT. The call may block, so the Go scheduler knows of it. await returns false if no
// completion arrives.
func (r *Reader) await() bool {
	for range maxAwaits {
		_, _, errno := unix.Syscall6(unix.SYS_IO_URING_ENTER, uintptr(r.fd), 0, 1, enterGetEvents, 0, 0)
		if atomic.LoadUint32(r.doneTail) != *r.doneHead {
			return true
		}
		if errno != 0 && errno != unix.EINTR {
			return false
		}
	}
	return false
}
