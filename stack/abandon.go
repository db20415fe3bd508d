package stack

import (
	"io"
	"runtime"
	"sync"
	"sync/atomic"
)

// abandoned holds the connections and listeners that the application has forgotten without Close, until the stack
// closes them, as package net closes descriptors. An unread connection would hold its memory for ever.
//
// The finalizer does not close them itself: it runs on a goroutine of the garbage collector, which must not wait for a
// connection's lock, and which is outside of the bubble in a test with [testing/synctest].
type abandoned struct {
	some atomic.Bool // list is not empty
	mu   sync.Mutex
	list []io.Closer
}

// add appends c to the list.
func (a *abandoned) add(c io.Closer) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.list = append(a.list, c)
	a.some.Store(true)
}

// close closes the objects in the list. The stack calls it after each batch of frames, after timers, and when a
// connection or listener is opened. No lock of the stack is held.
func (a *abandoned) close() {
	if !a.some.Load() {
		return
	}
	a.mu.Lock()
	list := a.list
	a.list = nil
	a.some.Store(false)
	a.mu.Unlock()
	for _, c := range list {
		c.Close()
	}
}

// watch makes the stack close c when the garbage collector finds it unreachable, until ignore is called.
func (c *Conn) watch() {
	runtime.SetFinalizer(c, func(c *Conn) { c.stack.abandoned.add(c) })
}

func (c *Conn) ignore() { runtime.SetFinalizer(c, nil) }

func (l *Listener) watch() {
	runtime.SetFinalizer(l, func(l *Listener) { l.stack.abandoned.add(l) })
}

func (l *Listener) ignore() { runtime.SetFinalizer(l, nil) }
