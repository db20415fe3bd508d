package stack

import (
	"time"

	"minitcp/conn"
)

// Connections that send in bulk over short paths write with batons. One counts as such for a second after its send buffer was
// full: then each of its Writes waits for a baton, small ones too. Handlers, which do not wait, need none.

// bulkWriter is a connection's place among those.
type bulkWriter struct {
	baton
	full conn.Time // when the send buffer was full last
	left int       // octets it may still write
}

// bulkTime is for how long a full send buffer makes a connection one that sends in bulk.
const bulkTime = time.Second

// mayWrite reports whether the connection needs no baton, or has one. Else it will be woken. The entry's lock is held, here
// and below.
func (c *Conn) mayWrite() bool {
	w, batons := c.bulk, c.stack.writing
	switch {
	case w == nil, w.held && w.left > 0, c.stack.clock.now().Sub(w.full) >= bulkTime:
		return true
	case c.tcp.Ready()&conn.ReadyWrite == 0:
		return true // for the little there may be room for
	case c.tcp.State() != conn.Established && c.tcp.State() != conn.CloseWait:
		return true // and Write will fail
	case w.waiting, w.held && batons.waiting.Load() > 0 && !c.tcp.Acknowledged():
		return false
	}
	w.left = batonOctets
	return batons.need(&w.baton)
}

// wrote counts what was written with a baton, and remembers that there was no room for more.
func (c *Conn) wrote(n int, full bool) {
	if full && c.tcp.Nearby() {
		if c.bulk == nil {
			c.bulk = &bulkWriter{baton: baton{conn: c}}
		}
		c.bulk.full = c.stack.clock.now()
	}
	if w := c.bulk; w != nil {
		w.left -= n
		w.used.Store(true)
	}
}

// passBaton is called with each settling: when what was sent with a baton has been acknowledged, it goes on, unless there is
// more to write with it, and room.
func (c *Conn) passBaton(ready conn.Ready) {
	w, batons := c.bulk, c.stack.writing
	if w == nil || !w.held {
		return
	}
	w.used.Store(true)
	if !c.tcp.Acknowledged() {
		return
	}
	if !c.writing || ready&conn.ReadyWrite == 0 {
		batons.done(&w.baton)
	} else if w.left <= 0 {
		w.left = batonOctets
		if batons.need(&w.baton) {
			c.wr.wake()
		}
	}
}

// goOn is called when a baton has come for a connection that waits to write.
func goOn(t *baton) bool {
	c := t.conn
	if c.bulk == nil || &c.bulk.baton != t || !c.writing {
		return false
	}
	c.wr.wake()
	return true
}

// Connections that are sent bulk data over short paths, when there are more than a few, open their windows with batons.

// bulkWindow is a connection's place among those.
type bulkWindow struct {
	baton
	octets int // what it is offered with the next baton
}

// leastOffer is what a window is opened for at least, and to begin with.
const leastOffer = 256 << 10

// learn is called when what was offered has been used, with whether the baton had not been taken away before. What is left of
// an offer then is sent while others have the baton, so who is slow, as one is who has just begun or has lost much, gets less.
func (w *bulkWindow) learn(inTime bool) {
	if inTime {
		w.octets = min(2*w.octets, batonOctets)
	} else {
		w.octets = max(w.octets/2, leastOffer)
	}
}

// lowWindow is what is left of a window when it is as good as used: less than the next superframe needs.
const lowWindow = 64 << 10

// shareWindow is called with each settling, before something is sent.
func (c *Conn) shareWindow() {
	w, batons := c.window, c.stack.offering
	crowded := c.tcp.Crowd() > conn.Few
	switch {
	case w == nil && !crowded:
		return
	case w == nil:
		w = &bulkWindow{baton: baton{conn: c}, octets: leastOffer}
		c.window = w
		c.tcp.Offer(0)
	case !crowded:
		c.freeWindow()
		return
	}
	w.used.Store(true)
	left, unread := c.tcp.Offered()
	low := max(lowWindow, 2*c.stack.mtu)
	if left >= low {
		return
	}
	if w.held {
		w.learn(batons.done(&w.baton))
	}
	if !w.waiting && unread < low && batons.need(&w.baton) {
		c.tcp.Offer(w.octets)
	}
}

// openWindow is called when a baton has come for a connection whose window is used.
func openWindow(t *baton) bool {
	c := t.conn
	w := c.window
	if w == nil || &w.baton != t || !c.attached() {
		return false
	}
	c.tcp.Offer(w.octets)
	c.settle()
	return true
}

// freeWindow lets the window be what there is room for.
func (c *Conn) freeWindow() {
	if w := c.window; w != nil {
		c.window = nil
		c.tcp.Offer(-1)
		c.stack.offering.done(&w.baton)
	}
}

// dropBatons is for the application's end of a connection that has ended, or that it has let go.
func (c *Conn) dropBatons() {
	if w := c.bulk; w != nil {
		c.bulk = nil // who waits in Write finds that it needs none
		c.stack.writing.done(&w.baton)
	}
	c.freeWindow()
}
