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

// maxPacket is the size of the largest IP packet in octets.
const maxPacket = 65535

// Adapter makes any wireguard tun.Device, of another system, of gVisor, of a test, look like a [Device] that can do
// nothing for us: what it reads has a virtio_net_hdr of zeros, and what it is given must have one too. Every packet
// is copied, and passed on singly. Wireguard's own TUN on Linux works too, but what Open makes of it is much faster.
type Adapter struct {
	inner wgtun.Device
	name  string
	mtu   int

	reading sync.Mutex // serializes ReadBatch
	limit   int        // packets the device may give at once
	spare   batch      // what the device gave beyond the caller's frames

	out sendQueue

	closed    atomic.Bool
	closeOnce sync.Once
	closeErr  error
}

// batch is frames read and not yet handed on: those from next to n.
type batch struct {
	frames  [][]byte
	sizes   []int
	next, n int
}

// allocate makes room for n frames, the first time.
func (b *batch) allocate(n int) {
	if b.frames != nil {
		return
	}
	b.frames, b.sizes = make([][]byte, n), make([]int, n)
	for i := range b.frames {
		b.frames[i] = make([]byte, headerLen+maxPacket)
	}
}

// Wrap makes an Adapter of a device, which is closed with it. It starts a goroutine that sends, and one that discards
// the device's events. It fails when the device does not know its name or MTU; one of wireguard's in another network
// namespace does not, outside of [Namespace.Do].
func Wrap(device wgtun.Device) (*Adapter, error) {
	name, err := device.Name()
	if err != nil {
		return nil, fmt.Errorf("tun: the device to wrap has no name: %w", err)
	}
	mtu, err := device.MTU()
	if err != nil {
		return nil, fmt.Errorf("tun: %s has no MTU: %w", name, err)
	}
	a := &Adapter{inner: device, name: name, mtu: min(mtu, maxPacket), limit: device.BatchSize()}
	a.out.start(device, headerLen+a.mtu)
	if events := device.Events(); events != nil {
		go func() {
			for range events { // until Close; a device nobody listens to may stop
			}
		}()
	}
	return a, nil
}

// Name is the device's name.
func (a *Adapter) Name() string { return a.name }

// MTU is the size in octets of the largest IP packet, as it was when the device was wrapped.
func (a *Adapter) MTU() int { return a.mtu }

// Offloads says that superframes and partial checksums do not pass: false.
func (a *Adapter) Offloads() bool { return false }

// Lost is how many frames were taken by WriteFrame and then refused by the device.
func (a *Adapter) Lost() int64 { return a.out.lost.Load() }

// ReadBatch waits for a packet, then takes those the device gave along with it. It is as [Device.ReadBatch] otherwise.
func (a *Adapter) ReadBatch(frames [][]byte, sizes []int) (int, error) {
	if len(frames) == 0 {
		return 0, errBatch
	}
	a.reading.Lock()
	defer a.reading.Unlock()
	s := &a.spare
	if s.next == s.n {
		// The device may give as many packets as it says are a batch, and loses those there is no room for.
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

// receive reads from the device until it gives something, and puts headers before that.
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

// WriteFrame queues one frame, gathered from parts, for the device. It does not block and keeps nothing of parts. Any
// number of calls may run at once.
//
// The first part must begin with a virtio_net_hdr of zeros, else the error is [ErrNeedsOffload]. A [FrameError] of
// EMSGSIZE means that the packet is larger than the MTU, of ENOBUFS that the device is too slow; these frames are lost.
// After Close the error is os.ErrClosed.
func (a *Adapter) WriteFrame(parts [][]byte) error {
	if a.closed.Load() {
		return os.ErrClosed
	}
	if len(parts) == 0 || len(parts[0]) < headerLen || [headerLen]byte(parts[0]) != [headerLen]byte{} {
		return ErrNeedsOffload
	}
	return a.out.put(parts)
}

// Close sends what is queued, unless the device takes longer than a quarter of a second for it, and closes the device,
// which makes a waiting ReadBatch return. Closing again returns the same error.
func (a *Adapter) Close() error {
	a.closeOnce.Do(func() {
		a.closed.Store(true)
		a.out.stop()
		a.closeErr = a.inner.Close()
	})
	return a.closeErr
}
