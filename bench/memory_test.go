//go:build linux

package main

import (
	"io"
	"strings"
	"testing"
	"time"

	"minitcp/bench/memory"
)

// Every connection is opened and takes memory, and busy ones make progress beside them.
func TestMemory(t *testing.T) {
	r, err := memory.Measure(t.Context(), memory.Steps(2000), 0, 50*time.Millisecond, io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	var connections []int
	for _, s := range r.Steps {
		connections = append(connections, s.Connections)
		if s.Busy.Rate <= 0 || s.Busy.Usual <= 0 || s.Busy.Rare < s.Busy.Usual {
			t.Errorf("%d connections: %+v", s.Connections, s.Busy)
		}
	}
	// With few connections, other memory is a large part.
	if last := r.Steps[len(r.Steps)-1]; last.Connections != 2000 || len(r.Steps) != 4 || last.Heap < 500 || last.Heap > 30000 {
		t.Errorf("%v, and %v bytes of heap each", connections, last.Heap)
	}
	if r.Goroutine < 1000 { // a stack of a goroutine alone takes 2 KiB
		t.Errorf("a goroutine takes %v bytes", r.Goroutine)
	}
}

func TestMemoryMistakes(t *testing.T) {
	for _, test := range []struct{ arguments, want string }{
		{"more", `"more" is not a flag`},
		{"-connections 0", "-connections 0 is not within 1 and 4000000"},
		{"-duration 1ms", "-duration 1ms is not within"},
		{"-rest 1h", "-rest 1h0m0s is not within"},
	} {
		var stderr strings.Builder
		if status := runMemory(strings.Fields(test.arguments), io.Discard, &stderr); status != 2 || !strings.Contains(stderr.String(), test.want) {
			t.Errorf("%s: status %d, %q", test.arguments, status, stderr.String())
		}
	}
}
