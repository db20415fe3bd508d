//go:build linux

package main

import (
	"sync"
	"testing"
)

// Memory is released once after each burst, when the heap no longer grows.
func TestReleaser(t *testing.T) {
	const mb = 1 << 20
	var r releaser
	for i, step := range []struct {
		allocated uint64
		want      bool
	}{
		{5 * mb, false},              // the start of the process
		{5 * mb, false},              // too little to be worthwhile
		{30 * mb, false},             // a burst
		{60 * mb, false},             //
		{60*mb + 1000, true},         // its end
		{60*mb + 2000, false},        // already released
		{67 * mb, false},             // another one, which is small
		{67 * mb, false},             //
		{69 * mb, false},             // and grows
		{69*mb + releaseQuiet, true}, //
		{69*mb + releaseQuiet, false},
	} {
		if got := r.due(step.allocated); got != step.want {
			t.Errorf("step %d, %d bytes allocated: %v, want %v", i, step.allocated, got, step.want)
		}
	}
}

// What pools keep is released, too.
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
