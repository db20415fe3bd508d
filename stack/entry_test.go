package stack

import (
	"runtime"
	"testing"
)

// A goroutine that brings segments and waits for the lock has it before yield returns, or before it returns again: one
// time in 61 the scheduler prefers the goroutine that has yielded.
func TestEntryYields(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1)) // the waiting goroutine does not spin
	e := new(entry)
	e.mu.Lock()
	defer e.mu.Unlock()
	had := false // guarded by e.mu
	go func() {
		e.lockInput()
		had = true
		e.mu.Unlock()
	}()
	for range 100 {
		runtime.Gosched()
	}
	if e.wanted.Load() != 1 {
		t.Fatal("the goroutine does not wait")
	}
	e.yield()
	e.yield()
	if !had {
		t.Error("the goroutine has not had the lock")
	}
	if n := e.wanted.Load(); n != 0 {
		t.Errorf("%d goroutines wait, want 0", n)
	}
}
