package stack

import (
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"minitcp/stack/stacktest"
)

// breakingDevice is an endingDevice that fails at one of the frames it carries.
type breakingDevice struct {
	*endingDevice
	frames atomic.Int64 // until the failure
	broke  func()
}

func (*breakingDevice) Queues() int { return 2 }

func (d *breakingDevice) count() {
	if d.frames.Add(-1) == 0 {
		d.broke()
	}
}

func (d *breakingDevice) ReadQueue(queue int, frames [][]byte, sizes []int) (int, error) {
	n, err := d.endingDevice.ReadQueue(queue, frames, sizes)
	if n > 0 {
		d.count()
	}
	return n, err
}

func (d *breakingDevice) WriteQueue(queue int, parts [][]byte) error {
	d.count()
	return d.endingDevice.WriteQueue(queue, parts)
}

// failures are the ways in which a breakingDevice fails, and the causes that calls on the stack return.
var failures = []struct {
	name  string
	fail  func(d *breakingDevice)
	cause error
}{
	{"closed", func(d *breakingDevice) { d.Device.Close() }, os.ErrClosed},
	{"reads fail", func(d *breakingDevice) { d.endingDevice.fail(syscall.EIO) }, syscall.EIO},
	{"writes find it closed", func(d *breakingDevice) { d.failWrites(os.ErrClosed) }, os.ErrClosed},
	{"writes fail for 20 frames, then it is closed", func(d *breakingDevice) {
		d.failWrites(syscall.ENOBUFS)
		d.broke = func() { d.Device.Close() }
		d.frames.Store(20)
	}, os.ErrClosed},
}

// A device fails or is closed during traffic, at a frame drawn from the seed. Every Read, Write, Accept and Dial
// returns the cause, Done is closed, and no goroutine is left.
func TestFailingDevices(t *testing.T) {
	const seeds = 60
	for seed := range uint64(seeds) {
		f := failures[seed%uint64(len(failures))]
		t.Run(fmt.Sprintf("%d %s", seed, f.name), func(t *testing.T) {
			within(t, func(t *testing.T) {
				rng := rand.New(rand.NewPCG(seed, 8))
				d := &breakingDevice{}
				d.frames.Store(1 + rng.Int64N(300))
				d.broke = func() { f.fail(d) }
				failDuringTraffic(t, rng, d, f.cause)
			})
		})
	}
}

func failDuringTraffic(t *testing.T, rng *rand.Rand, d *breakingDevice, cause error) {
	da, db := stacktest.New(stacktest.Config{})
	d.endingDevice = &endingDevice{Device: db, broken: make(chan struct{})}
	a, err := New(da, Config{Addresses: addressesA})
	if err != nil {
		t.Fatal(err)
	}
	b, err := New(d, Config{Addresses: addressesB})
	if err != nil {
		t.Fatal(err)
	}
	var onA, onB sync.WaitGroup
	serve(t, &onA, a, nil)
	serve(t, &onB, b, cause)
	for range 1 + rng.IntN(3) {
		converse(t, &onA, rand.New(rand.NewPCG(rng.Uint64(), 0)), a, "10.77.0.2:80", nil)
		converse(t, &onB, rand.New(rand.NewPCG(rng.Uint64(), 0)), b, "[fd77::1]:80", cause)
	}
	onB.Go(func() { // no stack has this address
		_, err := b.Dial("tcp", "10.77.0.8:80")
		wantOpError(t, err, "dial", cause)
	})
	<-b.Done()
	onB.Wait()
	if err := b.Err(); !errors.Is(err, cause) {
		t.Errorf("Err is %v, want %v", err, cause)
	}
	if err := b.Close(); !errors.Is(err, cause) {
		t.Errorf("Close returns %v, want %v", err, cause)
	}
	a.Close()
	onA.Wait()
}

// serve accepts connections and echoes their data, until the stack ends. A cause that is not
// nil is the only error, besides the end of a connection, that any call may return.
func serve(t *testing.T, wait *sync.WaitGroup, s *Stack, cause error) {
	l, err := s.Listen("tcp", ":80")
	if err != nil {
		t.Fatal(err)
	}
	wait.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				wantCause(t, "Accept", err, cause)
				return
			}
			wait.Go(func() {
				defer c.Close()
				if _, err := io.Copy(struct{ io.Writer }{c}, struct{ io.Reader }{c}); err != nil {
					wantCause(t, "Copy", err, cause)
				}
			})
		}
	})
}

// converse dials again and again. On each connection it sends a few messages and waits for each to come back.
func converse(t *testing.T, wait *sync.WaitGroup, rng *rand.Rand, s *Stack, address string, cause error) {
	wait.Go(func() {
		for {
			c, err := s.Dial("tcp", address)
			if err != nil {
				wantCause(t, "Dial", err, cause)
				return
			}
			if err := exchange(c, rng); err != nil {
				wantCause(t, "Read or Write", err, cause)
				c.Close()
				return
			}
			c.Close()
		}
	})
}

func exchange(c net.Conn, rng *rand.Rand) error {
	for range 1 + rng.IntN(5) {
		message := pattern(1, 1+rng.IntN(100_000))
		var written error
		var wait sync.WaitGroup
		wait.Go(func() { _, written = c.Write(message) })
		_, err := io.ReadFull(c, make([]byte, len(message)))
		wait.Wait()
		if err = errors.Join(err, written); err != nil {
			return err
		}
		time.Sleep(time.Duration(rng.IntN(20)) * time.Millisecond) // in the bubble's time
	}
	return nil
}

func wantCause(t *testing.T, call string, err, cause error) {
	if cause != nil && !errors.Is(err, cause) {
		t.Errorf("%s returns %v, want %v", call, err, cause)
	}
}
