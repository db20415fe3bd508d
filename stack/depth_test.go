//go:build !race

package stack

import (
	"net"
	"runtime/debug"
	"testing"
	"unsafe"

	"minitcp/conn/wire"
)

// A goroutine that reads a request, writes a response and closes the connection keeps the stack with which it begins,
// 2 KiB. The runtime would enlarge it by copying it; bench/README.md has the cost.
// (Not with the race detector, which makes functions use more of the stack.)
func TestShortConnectionKeepsSmallestStack(t *testing.T) {
	defer debug.SetGCPercent(debug.SetGCPercent(-1)) // a collection copies stacks as well, to make them smaller
	l := newLone(t, Config{})
	l.forget()
	const connections = 256
	done := make(chan bool)
	copies := 0
	for range connections {
		l.establish(t, 0)
		c := l.c
		go func() { done <- copiesStack(func() { respond(t, c) }) }()
		request := []byte("request")
		l.in(segmentSpec{flags: wire.ACK | wire.PSH, seq: l.seq, ack: l.ack, data: request})
		if <-done {
			copies++
		}
		l.in(segmentSpec{flags: wire.RST, seq: l.seq + uint32(len(request))}) // the buffers are used again
	}
	t.Logf("%d of %d stacks were copied", copies, connections)
	if copies > connections/4 { // the runtime itself needs a larger one when it looks for memory
		t.Errorf("the stacks of %d of %d goroutines were copied", copies, connections)
	}
}

// copiesStack reports whether the runtime copies the stack of the goroutine while f runs: then its variables move.
func copiesStack(f func()) bool {
	var variable byte
	before := uintptr(unsafe.Pointer(&variable))
	f()
	return uintptr(unsafe.Pointer(&variable)) != before
}

// respond reads a request, writes a response and closes the connection.
func respond(t *testing.T, c net.Conn) {
	defer c.Close()
	buffer := make([]byte, 256)
	n, err := c.Read(buffer)
	if err == nil {
		_, err = c.Write(buffer[:n])
	}
	if err != nil {
		t.Error(err)
	}
}
