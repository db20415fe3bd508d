package tun

import (
	"errors"
	"fmt"
	"os"
	"sync"
	"sync/atomic"

	wgtun "golang.zx2c4.com/wireguard/tun"
)

// headerLen is the length of the virtio_net_hdr before every frame's packet.
const headerLen = 10

// maxPacket is the size of the largest IP packet in bytes.
const maxPacket = 65535

// Adapter moves the frames of any wireguard tun.Device, such as a TUN of another operating system or a test's. It has
// no offloads: every frame, read or written, has a virtio_net_hdr of zeros and a packet that fits the MTU. It copies
// every packet. Wireguard's TUN for Linux works too, but a [Device] is much faster.
type Adapter struct {
	inner wgtun.Device
	name  string
	mtu   int

	reading sync.Mutex // serializes ReadBatch
	limit   int        // the device's batch size
	excess  batch      // packets that did not fit into the caller's frames

	out sendQueue

	closed    atomic.Bool
	closeOnce sync.Once
	closeErr  error
}

// batch holds frames that have been read. Those from next to n have not been returned yet.
type batch struct {
	frames  [][]byte
	sizes   []int
	next, n int
}

// allocate allocates n frames at the first call.
func (b *batch) allocate(n int) {
	if b.frames != nil {
		return
	}
	b.frames, b.sizes = make([][]byte, n), make([]int, n)
	for i := range b.frames {
		b.frames[i] = make([]byte, headerLen+maxPacket)
	}
}

// Wrap returns an Adapter of a device. The Adapter's Close closes the device. Wrap starts a goroutine that sends, and
// one that discards the device's events. It fails if the device returns no name or no MTU. A wireguard device in
// another network namespace returns them only within [Namespace.Do].
func Wrap(device wgtun.Device) (*Adapter, error) {
	name, err := device.Name()
	if err != nil {
		return nil, fmt.Errorf("tun: cannot get the name of the device to wrap: %w", err)
	}
	mtu, err := device.MTU()
	if err != nil {
		return nil, fmt.Errorf("tun: cannot get the MTU of %s: %w", name, err)
	}
	a := &Adapter{inner: device, name: name, mtu: min(mtu, maxPacket), limit: device.BatchSize()}
	a.out.start(device, headerLen+a.mtu)
	if events := device.Events(); events != nil {
		go func() {
			for range events { // until Close; a device may block while its events are not received
			}
		}()
	}
	return a, nil
}

// Name returns the device's name.
func (a *Adapter) Name() string { return a.name }

// MTU returns the size in bytes of the largest IP packet, as it was when the device was wrapped.
func (a *Adapter) MTU() int { return a.mtu }

// MaxMTU returns MTU: larger packets are refused.
func (a *Adapter) MaxMTU() int { return a.mtu }

// Offloads reports whether superframes and partial checksums pass: false.
func (a *Adapter) Offloads() bool { return false }

// Lost returns the number of frames that WriteFrame accepted and the device refused.
func (a *Adapter) Lost() int64 { return a.out.lost.Load() }

// ReadBatch waits for a packet, and returns those that the device returned in the same read. Otherwise it is like
// [Device.ReadBatch].
func (a *Adapter) ReadBatch(frames [][]byte, sizes []int) (int, error) {
	if len(frames) == 0 {
		return 0, errBatch
	}
	a.reading.Lock()
	defer a.reading.Unlock()
	s := &a.excess
	if s.next == s.n {
		// The device may return as many packets as its batch size, and drops those that do not fit.
		if len(frames) >= a.limit {
			return a.receive(frames, sizes)
		}
		s.allocate(a.limit)
		n, err := a.receive(s.frames, s.sizes)
		if err != nil {
			return 0, err
		}
		s.next, s.n = 0, n
	}
	n := 0
	for ; n < len(frames) && s.next < s.n; n++ {
		sizes[n] = copy(frames[n], s.frames[s.next][:s.sizes[s.next]])
		s.next++
	}
	return n, nil
}

// receive reads from the device until it returns packets, and puts headers before them.
func (a *Adapter) receive(frames [][]byte, sizes []int) (int, error) {
	for {
		n, err := a.inner.Read(frames, sizes, headerLen)
		if a.closed.Load() {
			return 0, os.ErrClosed
		}
		if err != nil && !errors.Is(err, wgtun.ErrTooManySegments) {
			return 0, err
		}
		for i := range n {
			clear(frames[i][:headerLen])
			sizes[i] += headerLen
		}
		if n > 0 {
			return n, nil
		}
	}
}

// WriteFrame queues one frame, gathered from parts, for the device. It does not block, does not retain parts, and is
// safe for concurrent use.
//
// The first part must begin with a virtio_net_hdr of zeros; otherwise the error is [ErrNeedsOffload]. A [FrameError] of
// EMSGSIZE means that the packet is larger than the MTU, one of ENOBUFS that the queue is full. In both cases the frame
// is lost. After Close the error is os.ErrClosed.
func (a *Adapter) WriteFrame(parts [][]byte) error {
	if a.closed.Load() {
		return os.ErrClosed
	}
	if len(parts) == 0 || len(parts[0]) < headerLen || [headerLen]byte(parts[0]) != [headerLen]byte{} {
		return ErrNeedsOffload
	}
	return a.out.put(parts)
}

// Close sends the queued frames, for at most 250 ms, and closes the device, which makes a blocked ReadBatch return.
// Further calls return the same error.
func (a *Adapter) Close() error {
	a.closeOnce.Do(func() {
		a.closed.Store(true)
		a.out.stop()
		a.closeErr = a.inner.Close()
	})
	return a.closeErr
}
