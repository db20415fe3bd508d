package stack

import (
	"io"
	"runtime"

	"minitcp/stack/internal/lists"
)

// abandoned holds the connections and listeners that the application has forgotten without Close, until the stack
// closes them, as package net closes descriptors. An unread connection would hold its memory for ever.
//
// The finalizer does not close them itself: it runs on a goroutine of the garbage collector, which must not wait for a
// connection's lock, and which is outside of the bubble in a test with [testing/synctest].
type abandoned struct{ lists.Bag[io.Closer] }

// close closes the objects. The stack calls it after each batch of frames, after timers, and when a connection or
// listener is opened. No lock of the stack is held.
func (a *abandoned) close() {
	for _, c := range a.Take() {
		c.Close()
	}
}

// watch makes the stack close c when the garbage collector finds it unreachable, until ignore is called.
func (c *Conn) watch() {
	runtime.SetFinalizer(c, func(c *Conn) { c.stack.abandoned.Add(c) })
}

func (c *Conn) ignore() { runtime.SetFinalizer(c, nil) }

func (l *Listener) watch() {
	runtime.SetFinalizer(l, func(l *Listener) { l.stack.abandoned.Add(l) })
}

func (l *Listener) ignore() { runtime.SetFinalizer(l, nil) }
