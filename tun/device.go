//go:build linux

package tun

import (
	"errors"
	"os"
	"sync"

	"golang.org/x/sys/unix"
)

// Device is a TUN of the kernel's. Superframes pass whole in both directions, checksums left to be completed.
type Device struct {
	name     string
	mtu      int
	maxFrame int
	queues   []*queue

	// life keeps the files open under writers. They share it: the kernel takes frames from many threads at once, while
	// os.File would let them in one by one.
	life   sync.RWMutex
	closed bool
}

const (
	usualFrame = headerLen + maxPacket
	// maxBigFrame is what fits into the 17 pieces of memory that the kernel has for a packet, if each has 16 KiB.
	maxBigFrame = headerLen + 17*16<<10
)

// Name is the device's name in its namespace.
func (d *Device) Name() string { return d.name }

// MTU is the size in octets of the largest IP packet that is not a superframe: what the device was opened with.
func (d *Device) MTU() int { return d.mtu }

// Offloads says that superframes and partial checksums pass: true.
func (d *Device) Offloads() bool { return true }

// MaxFrame is the size in octets of the largest frame that WriteFrame takes. It is more than an IP packet can have where
// the kernel knows how to receive such superframes over IPv4 (BIG TCP, since Linux 6.3), and its TUN finds memory for them:
// the total length in their header is 0. It needs pieces of 16 KiB, and refuses a frame for which there are none.
func (d *Device) MaxFrame() int { return d.maxFrame }

// Queues returns the number of queues of the device; see [Config]. The kernel puts a frame of a flow into the queue to
// which a frame of the same flow was last written, and the first frame of a flow into any queue in use. Queue 0 is always
// in use. Another queue is in use from the first call of ReadQueue or WriteQueue for it until Close, so no frame waits in
// a queue that no program knows of, and none is lost with a queue that goes.
func (d *Device) Queues() int { return len(d.queues) }

// ReadBatch is ReadQueue of queue 0. All frames come there while no other queue is in use.
func (d *Device) ReadBatch(frames [][]byte, sizes []int) (int, error) {
	return d.ReadQueue(0, frames, sizes)
}

// ReadQueue waits for a frame in a queue, from 0 on, then takes those that are there, up to len(frames); where the last one
// came alone, perhaps only this one. Frame i is frames[i][:sizes[i]]. Each of frames should have room for 10 + 65535 octets: what does not fit is cut off. sizes must
// be as long as frames.
//
// Calls for one queue wait for each other; there is nothing to gain from more than one. After Close the error is
// os.ErrClosed, and [ErrGone] when somebody else deleted the device; any error is the device's end. ReadQueue does not
// allocate.
func (d *Device) ReadQueue(queue int, frames [][]byte, sizes []int) (int, error) {
	if len(frames) == 0 {
		return 0, errBatch
	}
	n, err := d.queues[queue].read(frames, sizes)
	if err != nil {
		return 0, d.endOf(queue, err)
	}
	return n, nil
}

// WriteFrame is WriteQueue to queue 0.
func (d *Device) WriteFrame(parts [][]byte) error { return d.WriteQueue(0, parts) }

// WriteQueue sends one frame, gathered from parts; the first begins with the virtio_net_hdr. It does not block, keeps
// nothing of parts, and does not allocate for up to 40 of them. Any number of calls may run at once.
//
// A [FrameError] means that this frame is lost. Otherwise the error is os.ErrClosed or [ErrGone].
func (d *Device) WriteQueue(queue int, parts [][]byte) error {
	d.life.RLock()
	defer d.life.RUnlock()
	if d.closed {
		return os.ErrClosed
	}
	q := d.queues[queue]
	if err := q.use(); err != nil {
		if q.gone() {
			return ErrGone
		}
		return err
	}
	switch errno := writev(q.fd, parts); errno {
	case 0:
		return nil
	case unix.EBADFD:
		return ErrGone
	default:
		return FrameError(errno)
	}
}

// Close removes the device from the system, with its addresses and routes, and ends every ReadQueue that waits. When it
// returns, the device is gone. Closing again does nothing.
func (d *Device) Close() error {
	d.life.Lock()
	closed := d.closed
	d.closed = true
	d.life.Unlock()
	if closed {
		return nil
	}
	return d.closeQueues()
}

// closeQueues closes every file; with the last one the device goes.
func (d *Device) closeQueues() error {
	var errs []error
	for _, q := range d.queues {
		errs = append(errs, q.inner.Close()) // waits for the reader to let go of the file
		q.reading.Lock()
		q.closeRing()
		q.reading.Unlock()
	}
	return errors.Join(errs...)
}

// endOf turns what a failed read said into what callers look for. When the device has gone while nobody was reading, the
// poller says only that it cannot wait for the file.
func (d *Device) endOf(queue int, err error) error {
	d.life.RLock()
	defer d.life.RUnlock()
	switch {
	case d.closed:
		return os.ErrClosed
	case errors.Is(err, unix.EBADFD), d.queues[queue].gone():
		return ErrGone
	}
	return err
}
