//go:build linux

package main

import (
	"context"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"time"
)

const (
	// releaseInterval is the interval at which the heap is checked.
	releaseInterval = 2 * time.Second
	// releaseWorth is the minimum number of bytes allocated between two releases.
	releaseWorth = 8 << 20
	// releaseQuiet is the maximum number of bytes allocated in a releaseInterval without traffic that needs more memory.
	releaseQuiet = 1 << 20
)

// releaseMemory returns memory to the operating system after a burst of traffic, until ctx ends. The stack recycles the
// memory of bulk transfers and allocates nothing without them, so that no garbage collection would run and the process
// would keep its largest size.
func releaseMemory(ctx context.Context) {
	tick := time.NewTicker(releaseInterval)
	defer tick.Stop()
	sample := []metrics.Sample{{Name: "/gc/heap/allocs:bytes"}}
	for r := (releaser{}); ; {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		metrics.Read(sample)
		if r.due(sample[0].Value.Uint64()) {
			release()
		}
	}
}

// releaser decides when memory is released.
type releaser struct {
	seen     uint64 // bytes that had been allocated at the latest look
	released uint64 // and at the latest release
}

// due reports whether memory should be released, given the number of bytes allocated since the start of the process.
func (r *releaser) due(allocated uint64) bool {
	quiet := allocated-r.seen <= releaseQuiet
	r.seen = allocated
	if !quiet || allocated-r.released < releaseWorth {
		return false
	}
	r.released = allocated
	return true
}

// release collects garbage and returns free memory to the operating system. A sync.Pool keeps its objects for one
// collection, and FreeOSMemory is the second.
func release() {
	runtime.GC()
	debug.FreeOSMemory()
}
