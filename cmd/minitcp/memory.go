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
	// releaseInterval is the interval at which the heap is checked while there is traffic.
	releaseInterval = 2 * time.Second
	// releaseWorth is the minimum number of bytes allocated between two releases.
	releaseWorth = 8 << 20
	// releaseQuiet is the maximum number of bytes allocated in a releaseInterval without traffic that needs more memory.
	releaseQuiet = 1 << 20
)

// startReleasing runs releaseMemory until stop is called.
func startReleasing() (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	go releaseMemory(ctx)
	return cancel
}

// releaseMemory returns memory to the operating system after a burst of traffic, until ctx ends. The stack recycles the
// memory of bulk transfers and allocates nothing without them, so that no garbage collection would run and the process
// would keep its largest size.
//
// A process without traffic is not woken: the heap is checked after a garbage collection, until there is nothing to
// release. A burst causes one, and the runtime makes one every two minutes.
func releaseMemory(ctx context.Context) {
	collected := make(chan struct{}, 1)
	onCollection(ctx, collected)
	sample := []metrics.Sample{{Name: "/gc/heap/allocs:bytes"}}
	for r := (releaser{}); ; {
		select {
		case <-ctx.Done():
			return
		case <-collected:
		}
		for checking := true; checking; {
			select {
			case <-ctx.Done():
				return
			case <-time.After(releaseInterval):
			}
			metrics.Read(sample)
			var due bool
			if due, checking = r.check(sample[0].Value.Uint64()); due {
				release()
			}
		}
	}
}

// onCollection sends to c after each garbage collection until ctx ends, unless c is full.
func onCollection(ctx context.Context, c chan<- struct{}) {
	garbage := new([16]byte) // larger than the tiny objects that share a block of memory
	runtime.AddCleanup(garbage, func(c chan<- struct{}) {
		select {
		case c <- struct{}{}:
		default:
		}
		if ctx.Err() == nil {
			onCollection(ctx, c)
		}
	}, c)
}

// releaser decides when memory is released.
type releaser struct {
	seen     uint64 // bytes that had been allocated at the latest look
	released uint64 // and at the latest release
}

// check reports whether memory should be released, given the number of bytes allocated since the start of the process,
// and whether to check again, because there is traffic.
func (r *releaser) check(allocated uint64) (due, again bool) {
	quiet := allocated-r.seen <= releaseQuiet
	r.seen = allocated
	if !quiet {
		return false, true
	}
	if allocated-r.released < releaseWorth {
		return false, false
	}
	r.released = allocated
	return true, false
}

// release collects garbage and returns free memory to the operating system. A sync.Pool keeps its objects for one
// collection, and FreeOSMemory is the second.
func release() {
	runtime.GC()
	debug.FreeOSMemory()
}
