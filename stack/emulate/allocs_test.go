//go:build !race

package emulate

// The race detector makes sync.Pool drop items, so this test is not built with it.

import (
	"os"
	"testing"
	"time"

	"minitcp/conn/netem"
)

// null is a device that discards frames.
type null struct{ done chan struct{} }

func (d null) ReadBatch([][]byte, []int) (int, error) { <-d.done; return 0, os.ErrClosed }
func (d null) WriteFrame([][]byte) error              { return nil }
func (d null) Offloads() bool                         { return true }
func (d null) MTU() int                               { return 1500 }
func (d null) Close() error                           { close(d.done); return nil }

// A packet on an emulated link costs no allocation, once the memory of those on their way exists.
func TestAllocs(t *testing.T) {
	for name, cfg := range map[string]netem.Config{ // null takes superframes
		"delayed": {Rate: 1e9, QueueBytes: 1 << 20, Delay: 100 * time.Microsecond, Loss: 0.01, Duplication: 0.01, Reordering: 0.01, ReorderingDelay: 1000},
		"instant": {Loss: 0.01, Duplication: 0.01, Corruption: 0.01},
	} {
		e, err := New(null{make(chan struct{})}, Config{Out: cfg})
		if err != nil {
			t.Fatal(err)
		}
		parts := [][]byte{superframe(40)}
		for range 1000 { // fills the queue, whatever the speed of the delivery
			e.WriteFrame(parts)
		}
		perFrame := testing.AllocsPerRun(1000, func() { e.WriteFrame(parts) })
		if perPacket := perFrame / 40; perPacket > 0.05 {
			t.Errorf("%s: %v allocations per packet, want 0", name, perPacket)
		}
		e.Close()
	}
}
