package loopback

import (
	"os"
	"sync"
	"syscall"
)

// NoDevice is the device of a stack without one. It receives nothing, and frames written to it are lost.
type NoDevice struct {
	closed chan struct{}
	once   sync.Once
}

// NewNoDevice returns an open NoDevice.
func NewNoDevice() *NoDevice { return &NoDevice{closed: make(chan struct{})} }

// ReadBatch waits for Close.
func (d *NoDevice) ReadBatch([][]byte, []int) (int, error) {
	<-d.closed
	return 0, os.ErrClosed
}

// WriteFrame returns an error.
func (d *NoDevice) WriteFrame([][]byte) error { return syscall.ENETUNREACH }

// MTU returns the largest size of an IP packet in bytes.
func (d *NoDevice) MTU() int { return 65535 }

// Offloads returns true: checksums and the size of segments have no effect.
func (d *NoDevice) Offloads() bool { return true }

// Close makes ReadBatch return.
func (d *NoDevice) Close() error {
	d.once.Do(func() { close(d.closed) })
	return nil
}
