package emulate

import (
	"errors"
	"fmt"
	"os"
	"sync"
	"time"

	"minitcp/conn/netem"
	"minitcp/conn/wire"
	"minitcp/stack"
)

// Config describes a link. A direction with the zero netem.Config is not emulated: its frames pass unchanged.
type Config struct {
	Out netem.Config // of the frames that the stack writes
	In  netem.Config // of the frames that the stack reads
	// Fate, if not nil, may change the fate of each packet, and the packet, whose checksums are complete. Both directions
	// are emulated then. It may be called with locks held, and must not call the device.
	Fate func(w Way, packet []byte, f *netem.Fate)
	// Seed determines the random faults: two devices with the same seed and the same packets lose the same ones.
	Seed uint64
	// Sleep waits for the last part of a packet's delay, less than a millisecond. The default is exact to a fraction of
	// that on Linux, where the timers of package time may be late by a millisecond. Tests in a bubble of testing/synctest
	// must set time.Sleep.
	Sleep func(time.Duration)
}

// Way is the direction of a packet.
type Way uint8

const (
	Out Way = iota
	In
)

const (
	// maxHeld is the limit of the memory for the packets of one direction that are on their way, in bytes. It is that of a
	// second at 500 Mbit/s. Packets beyond it are dropped.
	maxHeld = 64 << 20
	// drainTime is the time that Close gives to packets on their way to the device.
	drainTime = 2 * time.Second
	// batch is the number of frames that are read at once.
	batch = 16
)

// Device is a [stack.Device] whose frames pass an emulated link. Superframes are cut into packets before an emulated
// direction, and checksums are completed, so that each packet has its own fate and a damaged one fails its checksum. In
// a direction without rate, delay and reordering, packets stay on the goroutine of WriteFrame or ReadBatch. A peer
// behind the link is not near, and the device has one queue.
type Device struct {
	inner   stack.Device
	out, in *direction // nil: not emulated
	writer  *writer    // nil unless WriteFrame writes to inner
	reading *reading   // nil unless ReadBatch reads from inner

	closing sync.Mutex
	workers sync.WaitGroup
}

// New returns a device whose frames pass a link to d, which it owns from then on.
func New(d stack.Device, cfg Config) (*Device, error) {
	if _, ok := d.(stack.Pusher); ok {
		return nil, errors.New("emulate: the device delivers packets by itself (stack.Pusher), which a link cannot delay")
	}
	if err := cfg.Out.Check(); err != nil {
		return nil, fmt.Errorf("emulate: Out: %w", err)
	}
	if err := cfg.In.Check(); err != nil {
		return nil, fmt.Errorf("emulate: In: %w", err)
	}
	e := &Device{inner: d}
	epoch := time.Now()
	if cfg.Out.Active() || cfg.Fate != nil {
		e.out = newDirection(&cfg, Out, epoch)
		if w := newWriter(d); cfg.Out.Instant() {
			e.writer = w
		} else {
			e.workers.Go(func() { e.write(w) })
		}
	}
	if cfg.In.Active() || cfg.Fate != nil {
		e.in = newDirection(&cfg, In, epoch)
		if r := newReading(); cfg.In.Instant() {
			e.reading = r
		} else {
			e.workers.Go(func() {
				for e.read(r) {
				}
			})
		}
	}
	return e, nil
}

// MTU implements [stack.Device].
func (e *Device) MTU() int { return e.inner.MTU() }

// MaxMTU implements [stack.MTULimiter]. The limit is the device's own, or the largest IP packet.
func (e *Device) MaxMTU() int {
	if l, ok := e.inner.(stack.MTULimiter); ok {
		return l.MaxMTU()
	}
	return stack.MaxFrame - wire.VirtioHeaderLen
}

// Offloads implements [stack.Offloader].
func (e *Device) Offloads() bool {
	o, ok := e.inner.(stack.Offloader)
	return e.out != nil || ok && o.Offloads()
}

// SegmentsUDP implements [stack.UDPSegmenter].
func (e *Device) SegmentsUDP() bool {
	u, ok := e.inner.(stack.UDPSegmenter)
	return e.out != nil || ok && u.SegmentsUDP()
}

// WriteFrame implements [stack.Device].
func (e *Device) WriteFrame(parts [][]byte) error {
	if e.out == nil {
		return e.inner.WriteFrame(parts)
	}
	if e.writer != nil {
		return e.out.pass(parts, e.writer)
	}
	return e.out.enter(parts)
}

// ReadBatch implements [stack.Device].
func (e *Device) ReadBatch(frames [][]byte, sizes []int) (int, error) {
	if e.in == nil {
		return e.inner.ReadBatch(frames, sizes)
	}
	for {
		list := e.in.list[:min(len(frames), len(e.in.list))]
		n, next, err := e.in.take(list)
		for i, p := range list[:n] {
			sizes[i] = copy(frames[i], p)
		}
		if e.in.release(list[:n]); n > 0 || err != nil {
			return n, err
		}
		if e.reading != nil {
			e.read(e.reading)
		} else {
			e.in.wait(next)
		}
	}
}

// write delivers the packets of the stack to the device.
func (e *Device) write(w *writer) {
	for {
		n, next, err := e.out.take(e.out.list[:])
		if err != nil {
			return
		}
		if n == 0 {
			e.out.wait(next)
			continue
		}
		if err := w.write(e.out.list[:n]); errors.Is(err, os.ErrClosed) {
			e.out.end(err)
			return
		}
		e.out.release(e.out.list[:n])
	}
}

// read puts frames of the device on the link. It reports whether there may be more.
func (e *Device) read(r *reading) bool {
	n, err := e.inner.ReadBatch(r.frames, r.sizes)
	for i := range n {
		e.in.enter(r.frame(i)) // an error is a malformed frame, which is dropped
	}
	if err != nil {
		e.in.end(err)
	}
	return err == nil
}

// reading holds a batch of frames.
type reading struct {
	frames [][]byte
	sizes  []int
	parts  [1][]byte
}

func newReading() *reading {
	r := &reading{sizes: make([]int, batch)}
	for range batch {
		r.frames = append(r.frames, make([]byte, stack.MaxFrame))
	}
	return r
}

// frame returns frame i as a single part.
func (r *reading) frame(i int) [][]byte {
	r.parts[0] = r.frames[i][:r.sizes[i]]
	return r.parts[:]
}

var errClosed = fmt.Errorf("emulate: %w", os.ErrClosed)

// Close closes the device after the packets on their way to it have been delivered, for at most two seconds. It returns
// when the link's goroutines have ended.
func (e *Device) Close() error {
	if e.in != nil {
		e.in.end(errClosed)
	}
	if e.out != nil {
		e.out.drain(errClosed)
	}
	e.closing.Lock()
	defer e.closing.Unlock()
	err := e.inner.Close()
	e.workers.Wait()
	return err
}

// Report holds the totals of one direction.
type Report struct {
	netem.Counts
	netem.Meter
	Overflowed int64         // packets dropped because those on their way exceeded the memory
	Wait       time.Duration // in the queue, of a packet that would be sent now
	Capacity   int64         // bytes that the line could have sent since New; 0 without a limit
}

// Report returns the totals of both directions until now. Those of a direction that is not emulated are zero.
func (e *Device) Report() (out, in Report) { return e.out.report(), e.in.report() }
