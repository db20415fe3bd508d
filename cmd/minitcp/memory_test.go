//go:build linux

package main

import (
	"context"
	"runtime"
	"sync"
	"testing"
	"time"
)

// Memory is released once after each burst, when the heap no longer grows.
func TestReleaser(t *testing.T) {
	const mb = 1 << 20
	var r releaser
	for i, step := range []struct {
		allocated  uint64
		due, again bool
	}{
		{5 * mb, false, true},                // the start of the process
		{5 * mb, false, false},               // too little to be worthwhile
		{30 * mb, false, true},               // a burst
		{60 * mb, false, true},               //
		{60*mb + 1000, true, false},          // its end
		{60*mb + 2000, false, false},         // already released
		{67 * mb, false, true},               // another one, which is small
		{67 * mb, false, false},              //
		{69 * mb, false, true},               // and grows
		{69*mb + releaseQuiet, true, false},  //
		{69*mb + releaseQuiet, false, false}, //
	} {
		if due, again := r.check(step.allocated); due != step.due || again != step.again {
			t.Errorf("step %d, %d bytes allocated: due %v, again %v; want %v, %v", i, step.allocated, due, again, step.due, step.again)
		}
	}
}

// Every garbage collection is noticed, until the context ends.
func TestOnCollection(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	collected := make(chan struct{}, 1)
	onCollection(ctx, collected)
	for range 3 {
		runtime.GC()
		select {
		case <-collected:
		case <-time.After(patience):
			t.Fatal("a collection was not noticed")
		}
	}
	cancel()
}

// The memory that pools keep is released, too.
func TestReleaseEmptiesPools(t *testing.T) {
	made := 0
	pool := sync.Pool{New: func() any { made++; return new([1000]byte) }}
	pool.Put(new([1000]byte))
	release()
	pool.Get()
	if made != 1 {
		t.Errorf("the pool made %d objects after a release, want 1", made)
	}
}
