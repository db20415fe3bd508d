//go:build linux

package tun

import (
	"errors"
	"os"
	"sync"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
	wgtun "golang.zx2c4.com/wireguard/tun"
)

// Device is a TUN of the kernel's. Frames of up to 64 KB pass whole in both directions, checksums left to be completed.
type Device struct {
	name  string
	mtu   int
	inner wgtun.Device // owns the file
	raw   syscall.RawConn
	fd    int // valid under life.RLock, while not closed

	// reading serializes ReadBatch. read is made once and finds its arguments here, so that no call allocates.
	reading struct {
		sync.Mutex
		read   func(fd uintptr) bool
		frames [][]byte
		sizes  []int
		n      int
		err    error
	}

	// life keeps the file open under writers. They share it: the kernel takes frames from many threads at once, while
	// os.File would let them in one by one.
	life   sync.RWMutex
	closed bool
}

func newDevice(inner wgtun.Device, name string, mtu int) (*Device, error) {
	raw, err := inner.File().SyscallConn() // File.Fd would make the file blocking
	if err != nil {
		return nil, configureError(name, "the device's file is not to be had", err)
	}
	d := &Device{name: name, mtu: mtu, inner: inner, raw: raw}
	d.reading.read = d.readReady
	var failed error
	err = raw.Control(func(fd uintptr) {
		d.fd = int(fd)
		// Once more after wireguard, which asks for UDP's offloads too.
		failed = unix.IoctlSetInt(d.fd, unix.TUNSETOFFLOAD, offloads)
	})
	if err = errors.Join(err, failed); err != nil {
		return nil, configureError(name, "the offloads cannot be set", err)
	}
	return d, nil
}

// Name is the device's name in its namespace.
func (d *Device) Name() string { return d.name }

// MTU is the size in octets of the largest IP packet that is not a superframe: what the device was opened with.
func (d *Device) MTU() int { return d.mtu }

// Offloads says that superframes and partial checksums pass: true.
func (d *Device) Offloads() bool { return true }

// ReadBatch waits for a frame, then takes those that are there, up to len(frames). Frame i is frames[i][:sizes[i]]. Each
// of frames should have room for 10 + 65535 octets: what does not fit is cut off. sizes must be as long as frames.
//
// Calls wait for each other; there is nothing to gain from more than one. After Close the error is os.ErrClosed, and
// [ErrGone] when somebody else deleted the device; any error is the device's end. ReadBatch does not allocate.
func (d *Device) ReadBatch(frames [][]byte, sizes []int) (int, error) {
	if len(frames) == 0 {
		return 0, errBatch
	}
	r := &d.reading
	r.Lock()
	defer r.Unlock()
	r.frames, r.sizes, r.n, r.err = frames, sizes, 0, nil
	err := d.raw.Read(r.read)
	n := r.n
	r.frames, r.sizes = nil, nil
	if err != nil {
		return 0, d.endOf(err) // the poller's: closed
	}
	if n == 0 {
		return 0, d.endOf(r.err)
	}
	return n, nil // an error behind these frames will be there again
}

// readReady takes frames without blocking. False: there is none, call again when there may be.
func (d *Device) readReady(fd uintptr) bool {
	r := &d.reading
	for r.n < len(r.frames) {
		n, err := unix.Read(int(fd), r.frames[r.n])
		switch err {
		case nil:
			r.sizes[r.n] = n
			r.n++
		case unix.EINTR:
		case unix.EAGAIN:
			return r.n > 0
		default:
			r.err = err
			return true
		}
	}
	return true
}

// WriteFrame sends one frame, gathered from parts; the first begins with the virtio_net_hdr. It does not block, keeps
// nothing of parts, and does not allocate for up to 16 of them. Any number of calls may run at once.
//
// A [FrameError] means that this frame is lost. Otherwise the error is os.ErrClosed or [ErrGone].
func (d *Device) WriteFrame(parts [][]byte) error {
	d.life.RLock()
	defer d.life.RUnlock()
	if d.closed {
		return os.ErrClosed
	}
	switch errno := writev(d.fd, parts); errno {
	case 0:
		return nil
	case unix.EBADFD:
		return ErrGone
	default:
		return FrameError(errno)
	}
}

// writev is unix.Writev without its allocations. A TUN takes a whole frame or nothing.
func writev(fd int, parts [][]byte) syscall.Errno {
	var array [16]unix.Iovec
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
		_, _, errno := unix.Syscall(unix.SYS_WRITEV, uintptr(fd), uintptr(unsafe.Pointer(unsafe.SliceData(vector))), uintptr(len(vector)))
		if errno != unix.EINTR {
			return errno
		}
	}
}

// Close removes the device from the system, with its addresses and routes, and ends a ReadBatch that waits. When it
// returns, the device is gone. Closing again does nothing.
func (d *Device) Close() error {
	d.life.Lock()
	closed := d.closed
	d.closed = true
	d.life.Unlock()
	if closed {
		return nil
	}
	return d.inner.Close() // waits for the reader to let go of the file
}

// endOf turns what a failed read said into what callers look for.
func (d *Device) endOf(err error) error {
	d.life.RLock()
	defer d.life.RUnlock()
	switch {
	case d.closed:
		return os.ErrClosed
	case errors.Is(err, unix.EBADFD):
		return ErrGone
	}
	return err
}
