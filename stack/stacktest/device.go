// Package stacktest provides a link of two devices in memory for tests of package stack and its users. It has no
// goroutine and uses channels only, so that it works in the bubbles of testing/synctest.
package stacktest

import (
	"errors"
	"fmt"
	"os"
	"sync"
	"sync/atomic"

	"minitcp/conn/wire"
)

// Config holds the settings of a link.
type Config struct {
	// MTU is the size in bytes of the largest IP packet. Default 1500.
	MTU int
	// Offload is the ability of the devices. Default: Offloaded.
	Offload Offload
	// Queue is the capacity of a queue in frames. Frames that arrive while it is full are dropped and counted. Default
	// 1024.
	Queue int
	// Queues is the number of queues of each device. Arriving frames are distributed in turn over queue 0 and the queues
	// that have been used, regardless of their flow, which reorders them more than a real device does. Default 1.
	Queues int
}

// Offload is a device's ability to cut superframes into segments and to complete checksums.
type Offload uint8

const (
	// Offloaded devices accept superframes and partial checksums.
	Offloaded Offload = iota
	// Plain devices accept only packets that fit the MTU, with complete checksums.
	Plain
)

// Device is one end of a link. It satisfies stack.Device.
type Device struct {
	cfg  Config
	peer *Device
	in   []chan *frame
	used []atomic.Bool // whether ReadQueue or WriteQueue was called, by queue
	done chan struct{}
	once sync.Once
	hook atomic.Pointer[Hook]

	turn, sent, full, tooBig, hooked atomic.Int64
}

// frame is the pooled buffer of a frame.
type frame struct {
	bytes [wire.VirtioHeaderLen + 65535]byte
	size  int
}

var frames = sync.Pool{New: func() any { return new(frame) }}

// Hook is called for every frame that a device sends, and may change it in place. It runs on the goroutine of the
// sender, which may hold locks, so it must not call the stack. To delay or repeat a frame, pass a copy to
// [Device.Inject] of the other device.
type Hook func(frame []byte) Fate

// Fate is the treatment of a frame.
type Fate uint8

const (
	Pass Fate = iota
	Drop
)

// Pipe returns the two devices of a link with offloads.
func Pipe(mtu int) (a, b *Device) { return New(Config{MTU: mtu}) }

// New returns the two devices of a link.
func New(cfg Config) (a, b *Device) {
	if cfg.MTU == 0 {
		cfg.MTU = 1500
	}
	if cfg.Queue == 0 {
		cfg.Queue = 1024
	}
	cfg.Queues = max(cfg.Queues, 1)
	a, b = newDevice(cfg), newDevice(cfg)
	a.peer, b.peer = b, a
	return a, b
}

func newDevice(cfg Config) *Device {
	d := &Device{cfg: cfg, done: make(chan struct{}), used: make([]atomic.Bool, cfg.Queues)}
	for range cfg.Queues {
		d.in = append(d.in, make(chan *frame, cfg.Queue))
	}
	return d
}

// MTU returns the MTU of the Config.
func (d *Device) MTU() int { return d.cfg.MTU }

// MaxMTU returns MTU: larger packets are lost.
func (d *Device) MaxMTU() int { return d.cfg.MTU }

// Offloads reports whether the device accepts superframes and partial checksums.
func (d *Device) Offloads() bool { return d.cfg.Offload == Offloaded }

// SegmentsUDP reports whether the device takes superframes of UDP.
func (d *Device) SegmentsUDP() bool { return d.Offloads() }

// SetHook sets the hook for the frames that the device sends. A nil hook removes it.
func (d *Device) SetHook(hook Hook) {
	if hook == nil {
		d.hook.Store(nil)
		return
	}
	d.hook.Store(&hook)
}

var errClosed = fmt.Errorf("stacktest: %w", os.ErrClosed)

// Close makes ReadBatch and WriteFrame fail. It may be called more than once.
func (d *Device) Close() error {
	d.once.Do(func() { close(d.done) })
	return nil
}

// Queues returns the number of queues.
func (d *Device) Queues() int { return d.cfg.Queues }

// ReadBatch reads frames of queue 0, as ReadQueue does.
func (d *Device) ReadBatch(to [][]byte, sizes []int) (int, error) { return d.ReadQueue(0, to, sizes) }

// ReadQueue waits for a frame in a queue and returns the frames there.
func (d *Device) ReadQueue(queue int, to [][]byte, sizes []int) (int, error) {
	in := d.in[queue]
	d.use(queue)
	select {
	case <-d.done:
		return 0, errClosed
	default:
	}
	n := 0
	select {
	case f := <-in:
		sizes[n] = f.take(to[n])
		n++
	case <-d.done:
		return 0, errClosed
	}
	for n < len(to) {
		select {
		case f := <-in:
			sizes[n] = f.take(to[n])
			n++
		default:
			return n, nil
		}
	}
	return n, nil
}

func (f *frame) take(to []byte) int {
	n := copy(to, f.bytes[:f.size])
	frames.Put(f)
	return n
}

var errTooBig = errors.New("stacktest: frame is too big for the link")

// WriteQueue sends a frame, as WriteFrame does. The queue makes no difference.
func (d *Device) WriteQueue(queue int, parts [][]byte) error {
	d.use(queue)
	return d.WriteFrame(parts)
}

func (d *Device) use(queue int) {
	if !d.used[queue].Load() {
		d.used[queue].Store(true)
	}
}

// WriteFrame sends a frame to the other device. It never blocks: if the queue is full, the frame is dropped.
func (d *Device) WriteFrame(parts [][]byte) error {
	select {
	case <-d.done:
		return errClosed
	default:
	}
	f := frames.Get().(*frame)
	f.size = 0
	for _, p := range parts {
		n := copy(f.bytes[f.size:], p)
		f.size += n
		if n < len(p) {
			frames.Put(f)
			d.tooBig.Add(1)
			return errTooBig
		}
	}
	if !d.fits(f.bytes[:f.size]) {
		frames.Put(f)
		d.tooBig.Add(1)
		return errTooBig
	}
	d.sent.Add(1)
	if hook := d.hook.Load(); hook != nil && (*hook)(f.bytes[:f.size]) == Drop {
		frames.Put(f)
		d.hooked.Add(1)
		return nil
	}
	d.peer.put(f)
	return nil
}

// fits reports whether the link accepts the frame: a packet up to the MTU, or a superframe that the device can cut.
func (d *Device) fits(b []byte) bool {
	var h wire.VirtioHeader
	if wire.ParseVirtio(b, &h) != nil {
		return false
	}
	if d.cfg.Offload == Plain && (h.Flags != 0 || h.GSOType != wire.GSONone) {
		return false
	}
	return h.GSOType != wire.GSONone || len(b)-wire.VirtioHeaderLen <= d.cfg.MTU
}

// put adds a frame to a queue.
func (d *Device) put(f *frame) {
	queue := int(d.turn.Add(1) % int64(len(d.in)))
	if !d.used[queue].Load() {
		queue = 0
	}
	select {
	case d.in[queue] <- f:
	default:
		frames.Put(f)
		d.full.Add(1)
	}
}

// Inject adds a copy of b to a queue of the device, as if the other device had sent it.
func (d *Device) Inject(b []byte) {
	f := frames.Get().(*frame)
	f.size = copy(f.bytes[:], b)
	d.put(f)
}

// Counts are totals of a device.
type Counts struct {
	Sent      int64 // frames sent by WriteFrame
	Dropped   int64 // frames dropped because this device's queue was full
	TooBig    int64 // frames refused by WriteFrame
	ByTheHook int64 // frames dropped by the hook
}

// Counts returns the totals.
func (d *Device) Counts() Counts {
	return Counts{Sent: d.sent.Load(), Dropped: d.full.Load(), TooBig: d.tooBig.Load(), ByTheHook: d.hooked.Load()}
}
