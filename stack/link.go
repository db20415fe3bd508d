package stack

import (
	"os"
	"sync"

	"minitcp/conn/wire"
	"minitcp/stack/internal/gso"
	"minitcp/stack/internal/lists"
)

// Pusher is a [Device] whose owner has goroutines of its own: it hands over the packets that arrive, where a
// goroutine of the stack reads other devices. It also holds connections back. While it has no room they keep their
// data, which becomes frames when the device takes them.
//
// A Pusher has one queue.
type Pusher interface {
	// Attach gives the device the stack's Link. New calls it before it returns, and never calls ReadBatch.
	Attach(link *Link)
	// Room returns the number of bytes of data that the next frame of a connection may hold. If it returns 0, the
	// connection waits until the device calls [Link.Transmit], or until a time limit of the connection ends it. The
	// device must call Transmit after Room has begun to return more than 0, until Transmit returns false. Room is called
	// with locks held and must not block or call the Link.
	//
	// WriteFrame is called for connections after Room has returned more than 0, though perhaps when it would return 0
	// again; and at any time for other packets: UDP, ICMP, and RSTs that belong to no connection.
	Room() int
	// Full reports whether there are so many packets that belong to no connection that the UDP sockets of applications
	// should wait with others. When it returns false again, the device must call [Link.Drained]. It is called with locks
	// held and must not block or call the Link.
	Full() bool
}

// Link is the stack's end of a [Pusher].
type Link struct {
	stack  *Stack
	device Pusher
	queues sync.Pool // of *linkQueue

	transmitting sync.Mutex
	writer       *writer

	waiting lists.Waiting[entry, *entry] // entries that wait for the device
	blocked lists.Bag[*datagramSocket]   // sockets in which a Write waits until the device is not full
}

// linkQueue is a queue that handles a batch of Receive.
type linkQueue struct {
	queue
	joiner gso.Joiner
}

// newLink returns the device's Link, nil if it is no Pusher.
func newLink(s *Stack, d Device) *Link {
	p, ok := d.(Pusher)
	if !ok {
		return nil
	}
	l := &Link{stack: s, device: p, writer: newWriter()}
	l.queues.New = func() any {
		return &linkQueue{queue: queue{stack: s, writer: newWriter(), Batch: s.frames.NewBatch(1)}}
	}
	return l
}

// Receive takes packets that have arrived, as one batch: packet i is packets[i][offset:], an IP packet with complete
// checksums. Segments of one flow that follow each other are joined before they are handled. All of that happens on
// the calling goroutine; several may call it at once. Receive does not block. It may overwrite packets, with the
// bytes before the offset, and keeps none of them. After the end of the stack its error is [os.ErrClosed].
func (l *Link) Receive(packets [][]byte, offset int) error {
	s := l.stack
	if s.Err() != nil {
		return os.ErrClosed
	}
	q := l.queues.Get().(*linkQueue)
	for len(packets) > 0 {
		n := min(len(packets), gso.MaxBatch)
		q.receivePackets(packets[:n], offset)
		packets = packets[n:]
	}
	l.queues.Put(q)
	if s.Err() != nil {
		s.shut() // connections that began meanwhile
	}
	return nil
}

// receivePackets handles a batch of at most gso.MaxBatch packets.
func (q *linkQueue) receivePackets(packets [][]byte, offset int) {
	now := q.stack.clock.Now()
	for i := range q.joiner.Load(packets, offset) {
		p := q.joiner.Single(i)
		memory := q.Frames[0]
		switch {
		case p == nil:
			q.receiveFrame(now, memory[:q.joiner.Join(i, memory)], 0)
		case offset >= wire.VirtioHeaderLen:
			clear(p[offset-wire.VirtioHeaderLen : offset])
			q.receiveFrame(now, p[offset-wire.VirtioHeaderLen:], notLent)
		default:
			clear(memory[:wire.VirtioHeaderLen])
			n := copy(memory[wire.VirtioHeaderLen:], p[offset:])
			q.receiveFrame(now, memory[:wire.VirtioHeaderLen+n], 0)
		}
	}
	q.joiner.Unload()
	q.endBatch(now)
}

// hold makes e, whose mu is held, wait for the next Transmit.
func (l *Link) hold(e *entry) {
	e.held = true
	l.waiting.Push(e)
}

// room returns how many bytes of data the next frame of e may hold, at most limit, and whether e may send one now. If
// not, e waits. The entry's lock is held.
func (l *Link) room(e *entry, limit int) (int, bool) {
	if e.held {
		return 0, false
	}
	room := l.device.Room()
	if room == 0 {
		l.hold(e)
		if room = l.device.Room(); room == 0 {
			return 0, false
		}
		l.release(e) // the device may have looked at the list before e was on it
	}
	return min(limit, room), true
}

// release takes e, whose mu is held, off the list.
func (l *Link) release(e *entry) {
	if e.held {
		e.held = false
		l.waiting.Remove(e)
	}
}

// Transmit makes the connection that has waited longest send a frame with at most limit bytes of data, or with one
// segment if that is more: it calls WriteFrame, at most once. It reports whether a connection waited. If the
// connection has more to send, it waits again, behind the others.
func (l *Link) Transmit(limit int) bool {
	l.transmitting.Lock()
	defer l.transmitting.Unlock()
	e := l.waiting.Pop()
	if e == nil {
		return false
	}
	e.lockInput()
	defer e.mu.Unlock()
	if e.held {
		l.release(e) // e may have got onto the list again before it was locked
		l.writer.turn = limit
		l.stack.flushBurst(e, l.writer)
	}
	return true
}

// awaitDrained returns when the device is not full. If the socket c is closed before or its deadline passes, it
// returns then.
func (l *Link) awaitDrained(c *datagramSocket) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for c.in.Closed == nil && !c.wr.Passed() {
		l.blocked.Add(c) // before the question: Drained may look at the list meanwhile
		if !l.device.Full() {
			return
		}
		c.wr.Wait(&c.mu)
	}
	l.blocked.Remove(c) // the event that ends this call has woken the others on c, which add it again if they still wait
}

// Drained wakes the sockets that wait because the device was full.
func (l *Link) Drained() {
	for _, c := range l.blocked.Take() {
		c.mu.Lock()
		c.wr.Broadcast()
		c.mu.Unlock()
	}
}
