package stack

import (
	"sync/atomic"
	"time"

	"minitcp/conn"
)

// frameLimit answers: how many octets of data may a frame have?
type frameLimit struct {
	usual int          // 0: one segment
	big   int          // over IPv4, where package conn finds that it does good
	from  atomic.Int64 // a conn.Time: big from then on
	pause atomic.Int64 // how long the last pause was, a time.Duration
}

// bigPause is for how long no big frames are sent after the device has refused one, for want of large pieces of memory
// perhaps. Each time it is twice as long: perhaps it never takes one.
const bigPause = time.Second

func newFrameLimit(d Device, tapped bool) (l *frameLimit) {
	l = &frameLimit{}
	if !offloads(d) {
		return l
	}
	l.usual, l.big = conn.Superframe, conn.Superframe
	if b, ok := d.(BigFramer); ok && !tapped { // a Tap is promised whole IP packets
		l.big += max(0, b.MaxFrame()-MaxFrame)
	}
	return l
}

// of is the limit for a connection to remote.
func (l *frameLimit) of(now conn.Time, remote address) int {
	if l.big > l.usual && remote.is4() && int64(now) >= l.from.Load() {
		return l.big
	}
	return l.usual
}

// frameLimit is how many octets of data a frame of the connection's may have now. The entry's lock is held.
func (c *Conn) frameLimit() int {
	return c.tcp.FrameLimit(c.stack.limit.of(c.stack.clock.now(), c.entry.key.remote))
}

// refused is told of a frame that the device did not take.
func (l *frameLimit) refused(now conn.Time, parts [][]byte) {
	size := 0
	for _, p := range parts {
		size += len(p)
	}
	if size > MaxFrame && int64(now) >= l.from.Load() {
		l.pause.Store(max(int64(bigPause), 2*l.pause.Load()))
		l.from.Store(int64(now.Add(time.Duration(l.pause.Load()))))
	}
}
