package buffer

import (
	"testing"

	"minitcp/conn/seq"
)

// Borrowed memory is retained without allocation, a batch at a time, and a burst leaves little capacity behind.
func TestRetainAllocatesNothing(t *testing.T) {
	var e external
	data := []byte{1}
	batch := func(n int) {
		for i := range n {
			e.push(chunk{start: seq.Offset(i), data: data})
		}
		for range n {
			e.pop()
		}
	}
	for _, n := range []int{1, 20, 64} {
		batch(n)
		if allocs := testing.AllocsPerRun(100, func() { batch(n) }); allocs != 0 {
			t.Errorf("%v allocations for a batch of %d", allocs, n)
		}
	}
	if batch(10 * maxIdleChunks); cap(e.list) > maxIdleChunks {
		t.Errorf("room for %d is kept", cap(e.list))
	}
}
