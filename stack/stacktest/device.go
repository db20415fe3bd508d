// Package stacktest is a network of two devices in memory, for tests of the stack and of what is built on it. It has no
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

// Config says what kind of link the devices are joined by.
type Config struct {
	// MTU is the size in octets of the largest IP packet. Default 1500.
	MTU int
	// Offload says whether the devices take superframes and partial checksums. Default: they do.
	Offload Offload
	// Queue is how many frames wait to be read; what comes then is dropped and counted. Default 1024.
	Queue int
	// Queues is the number of such queues of each device. Frames go in turn to those that have been read or written, and
	// to queue 0, whatever flow they belong to, so that they overtake each other: worse than any real device. Default 1.
	Queues int
}

// Offload is a device's ability to cut superframes into segments and to fill in checksums.
type Offload uint8

const (
	Offloaded Offload = iota
	// Plain devices carry whole packets that fit the MTU, with full checksums.
	Plain
)

// Device is one end of a link. It satisfies stack.Device.
type Device struct {
	cfg  Config
	peer *Device
	in   []chan *frame
	used []atomic.Bool // by queue: ReadQueue or WriteQueue has been called
	done chan struct{}
	once sync.Once
	hook atomic.Pointer[Hook]

	turn, sent, full, tooBig, hooked atomic.Int64
}

// frame is a frame's memory, used again when it has been read.
type frame struct {
	bytes [wire.VirtioHeaderLen + 65535]byte
	size  int
}

var frames = sync.Pool{New: func() any { return new(frame) }}

// Hook sees every frame a device sends, and may change it in place. It is called on the sender's goroutine, perhaps
// under its locks, so it must not call the stack; a delayed or repeated frame can be handed to the other device's
// [Device.Inject] later.
type Hook func(frame []byte) Fate

// Fate is what becomes of a frame.
type Fate uint8

const (
	Pass Fate = iota
	Drop
)

// Pipe returns two devices with offloads: what one sends, the other reads.
func Pipe(mtu int) (a, b *Device) { return New(Config{MTU: mtu}) }

// New returns two devices joined as the Config says.
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

// MTU is the Config's.
func (d *Device) MTU() int { return d.cfg.MTU }

// Offloads is the Config's.
func (d *Device) Offloads() bool { return d.cfg.Offload == Offloaded }

// SetHook makes hook see what the device sends from now on; nil: nothing does.
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

// Queues is the Config's.
func (d *Device) Queues() int { return d.cfg.Queues }

// ReadBatch is ReadQueue of queue 0.
func (d *Device) ReadBatch(to [][]byte, sizes []int) (int, error) { return d.ReadQueue(0, to, sizes) }

// ReadQueue waits for a frame in a queue and takes what is there.
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

// WriteQueue is WriteFrame: which queue a frame leaves on is all the same.
func (d *Device) WriteQueue(queue int, parts [][]byte) error {
	d.use(queue)
	return d.WriteFrame(parts)
}

func (d *Device) use(queue int) {
	if !d.used[queue].Load() {
		d.used[queue].Store(true)
	}
}

// WriteFrame sends a frame to the other device. It never blocks: with the other's queue full, the frame is lost.
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

// fits reports whether the link carries the frame: whole packets up to the MTU, and what the device can cut up.
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

// put queues a frame for reading.
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

// Inject makes the device read a copy of b as if it had come from the other one.
func (d *Device) Inject(b []byte) {
	f := frames.Get().(*frame)
	f.size = copy(f.bytes[:], b)
	d.put(f)
}

// Counts are totals of a device.
type Counts struct {
	Sent      int64 // frames given to WriteFrame that the link could carry
	Dropped   int64 // frames that came when this device's queue was full
	TooBig    int64 // frames given to WriteFrame that the link could not carry
	ByTheHook int64 // frames the hook dropped
}

// Counts returns the totals so far.
func (d *Device) Counts() Counts {
	return Counts{Sent: d.sent.Load(), Dropped: d.full.Load(), TooBig: d.tooBig.Load(), ByTheHook: d.hooked.Load()}
}
