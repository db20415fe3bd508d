package emulate

import (
	"errors"
	"fmt"
	"os"
	"sync"
	"time"

	"minitcp/conn/netem"
	"minitcp/stack"
)

// Config describes a link. A direction with the zero netem.Config is not emulated: its frames pass unchanged.
type Config struct {
	Out netem.Config // of the frames that the stack writes
	In  netem.Config // of the frames that the stack reads
	// Seed determines the random faults: two devices with the same seed and the same packets lose the same ones.
	Seed uint64
	// Sleep waits for the last part of a packet's delay, less than a millisecond. The default is exact to a fraction of
	// that on Linux, where the timers of package time may be late by a millisecond. Tests in a bubble of testing/synctest
	// must set time.Sleep.
	Sleep func(time.Duration)
}

const (
	// maxHeld is the limit of the memory for the packets of one direction that are on their way, in bytes. It is that of a
	// second at 500 Mbit/s. Packets beyond it are dropped.
	maxHeld = 64 << 20
	// drainTime is the time that Close gives to packets on their way to the device.
	drainTime = 2 * time.Second
	// batch is the number of frames read, or of packets delivered, at once.
	batch = 16
)

// Device is a [stack.Device] whose frames pass an emulated link. Superframes are cut into packets before an emulated
// direction, and checksums are completed, so that each packet has its own fate and a damaged one fails its checksum. A
// peer behind the link is not near, and the device has one queue.
type Device struct {
	inner   stack.Device
	out, in *direction // nil: not emulated

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
	if cfg.Out.Active() {
		e.out = newDirection(cfg.Out, cfg.Seed, 1, epoch, cfg.Sleep)
		e.workers.Go(e.write)
	}
	if cfg.In.Active() {
		e.in = newDirection(cfg.In, cfg.Seed, 2, epoch, cfg.Sleep)
		e.workers.Go(e.read)
	}
	return e, nil
}

// MTU implements [stack.Device].
func (e *Device) MTU() int { return e.inner.MTU() }

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
	return e.out.enter(parts)
}

// ReadBatch implements [stack.Device].
func (e *Device) ReadBatch(frames [][]byte, sizes []int) (int, error) {
	if e.in == nil {
		return e.inner.ReadBatch(frames, sizes)
	}
	for {
		n, next, err := e.in.take(frames, sizes)
		if n > 0 || err != nil {
			return n, err
		}
		e.in.wait(next)
	}
}

// write delivers the packets of the stack to the device.
func (e *Device) write() {
	frames, sizes := newFrames()
	parts := make([][]byte, 1)
	for {
		n, next, err := e.out.take(frames, sizes)
		if err != nil {
			return
		}
		for i := range n {
			parts[0] = frames[i][:sizes[i]]
			if err := e.inner.WriteFrame(parts); errors.Is(err, os.ErrClosed) {
				e.out.end(err)
				return
			}
		}
		if n == 0 {
			e.out.wait(next)
		}
	}
}

// read puts the frames of the device on the link.
func (e *Device) read() {
	frames, sizes := newFrames()
	parts := make([][]byte, 1)
	for {
		n, err := e.inner.ReadBatch(frames, sizes)
		for i := range n {
			parts[0] = frames[i][:sizes[i]]
			e.in.enter(parts) // an error is a malformed frame, which is dropped
		}
		if err != nil {
			e.in.end(err)
			return
		}
	}
}

// newFrames returns buffers for a batch of frames.
func newFrames() (frames [][]byte, sizes []int) {
	for range batch {
		frames = append(frames, make([]byte, stack.MaxFrame))
	}
	return frames, make([]int, batch)
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
