//go:build linux

package tun

import (
	"errors"
	"net/netip"
	"slices"
	"sync"
)

// Device is a TUN of the Linux kernel. Superframes pass whole in both directions, with transport checksums left
// incomplete.
type Device struct {
	name      string
	mtu       int
	maxFrame  int
	near      []netip.Prefix
	queues    []*queue
	closeOnce sync.Once
}

const (
	usualFrame = headerLen + maxPacket
	// maxBigFrame is the size of a packet in the 17 fragments that the kernel has for one, if each has 16 KiB.
	maxBigFrame = headerLen + 17*16<<10
)

// Name returns the device's name in its namespace.
func (d *Device) Name() string { return d.name }

// MTU returns the size in bytes of the largest IP packet that is not a superframe, as configured by Open.
func (d *Device) MTU() int { return d.mtu }

// Offloads reports whether superframes and partial checksums pass: true.
func (d *Device) Offloads() bool { return true }

// SegmentsUDP reports whether superframes of UDP pass in both directions: up to 64 datagrams of one flow and size, the
// last of which may be shorter (UDP segmentation offload). They do since Linux 6.2.
func (d *Device) SegmentsUDP() bool { return d.queues[0].segmentsUDP }

// MaxFrame returns the size in bytes of the largest frame that WriteFrame accepts. It is larger than an IP packet can
// be if the kernel receives such superframes over IPv4 (BIG TCP, since Linux 6.3) and its TUN has memory for them. The
// total length in their IP header is 0. The kernel needs fragments of 16 KiB for such a frame, and refuses it when it
// has none.
func (d *Device) MaxFrame() int { return d.maxFrame }

// Near returns the addresses of the host's side, [Config.HostAddresses], each as a prefix of its full length. The other
// addresses of their networks are not on the other side of the device.
func (d *Device) Near() []netip.Prefix { return slices.Clone(d.near) }

// Queues returns the number of queues of the device; see [Config]. The kernel puts a frame of a flow into the queue to
// which a frame of the same flow was last written, and the first frame of a flow into any queue in use. Queue 0 is
// always in use. Another queue is in use from the first call of ReadQueue or WriteQueue for it until Close. Therefore
// no frame waits in a queue that the program does not read.
func (d *Device) Queues() int { return len(d.queues) }

// ReadBatch reads frames of queue 0, as ReadQueue does. All frames arrive there while no other queue is in use.
func (d *Device) ReadBatch(frames [][]byte, sizes []int) (int, error) {
	return d.ReadQueue(0, frames, sizes)
}

// ReadQueue waits for a frame in a queue, numbered from 0, and then reads those that have arrived, up to len(frames).
// It may return fewer. Frame i is frames[i][:sizes[i]]. Each of frames should have room for 10 + 65535 bytes; a longer
// frame is truncated. sizes must be as long as frames.
//
// Calls for one queue are serialized. After Close the error is os.ErrClosed, and if another program deleted the device
// it is [ErrGone]; every error is permanent. ReadQueue does not allocate.
func (d *Device) ReadQueue(queue int, frames [][]byte, sizes []int) (int, error) {
	if len(frames) == 0 {
		return 0, errBatch
	}
	return d.queues[queue].read(frames, sizes)
}

// WriteFrame calls WriteQueue for queue 0.
func (d *Device) WriteFrame(parts [][]byte) error { return d.WriteQueue(0, parts) }

// WriteQueue sends one frame, gathered from parts. The first part begins with the virtio_net_hdr. WriteQueue does not
// block, does not retain parts, and does not allocate for up to 65 parts. It is safe for concurrent use.
//
// A [FrameError] means that this frame is lost. Otherwise the error is os.ErrClosed or [ErrGone].
func (d *Device) WriteQueue(queue int, parts [][]byte) error { return d.queues[queue].write(parts) }

// Close removes the device from the system, with its addresses and routes, and makes every blocked ReadQueue return. It
// waits for the calls of WriteQueue under way. When it returns, the device is gone. Further calls do nothing.
func (d *Device) Close() (err error) {
	d.closeOnce.Do(func() {
		for _, q := range d.queues {
			q.markClosed()
		}
		err = d.closeQueues()
	})
	return err
}

// closeQueues closes every file. The kernel removes the device with the last one.
func (d *Device) closeQueues() error {
	var errs []error
	for _, q := range d.queues {
		errs = append(errs, q.close())
	}
	return errors.Join(errs...)
}
