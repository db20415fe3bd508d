package wgnet

import (
	"errors"
	"os"
	"sync"

	"golang.zx2c4.com/wireguard/tun"

	"minitcp/stack"
)

// netTUN is WireGuard's end of a Net: a [tun.Device] that no kernel knows.
type netTUN struct {
	device  *device
	stack   *stack.Stack
	events  chan tun.Event
	reading sync.Mutex // serializes Read
	closing sync.Once
}

var _ tun.Device = (*netTUN)(nil)

func newNetTUN(d *device, s *stack.Stack) *netTUN {
	t := &netTUN{device: d, stack: s, events: make(chan tun.Event, 1)}
	t.events <- tun.EventUp
	return t
}

// File returns nil: there is no descriptor.
func (t *netTUN) File() *os.File { return nil }

// Name returns the name that WireGuard shows.
func (t *netTUN) Name() (string, error) { return "minitcp", nil }

// MTU returns the MTU that the Net was made with.
func (t *netTUN) MTU() (int, error) { return t.device.mtu, nil }

// Events returns the channel of events. It has an EventUp and is closed by Close.
func (t *netTUN) Events() <-chan tun.Event { return t.events }

// BatchSize returns the number of packets that Read and Write handle at once.
func (t *netTUN) BatchSize() int { return batchSize }

// Read waits for packets that the Net sends, and returns as many as there are, at most len(bufs). Packet i is
// bufs[i][offset:offset+sizes[i]]. After Close its error is [os.ErrClosed].
func (t *netTUN) Read(bufs [][]byte, sizes []int, offset int) (int, error) {
	if len(bufs) == 0 || len(sizes) < len(bufs) {
		return 0, errors.New("wgnet: Read needs a buffer, and a size for each")
	}
	t.reading.Lock()
	defer t.reading.Unlock()
	return t.device.readPackets(bufs, sizes, offset)
}

// Write takes packets that have arrived as one batch. It does not block.
func (t *netTUN) Write(bufs [][]byte, offset int) (int, error) {
	if err := t.device.link.Receive(bufs, offset); err != nil {
		return 0, err
	}
	return len(bufs), nil
}

// Close ends the Net: see [stack.Stack.Close]. A blocked Read returns.
func (t *netTUN) Close() error {
	err := t.stack.Close()
	t.closing.Do(func() { close(t.events) })
	return err
}
