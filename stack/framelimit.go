package stack

import (
	"sync/atomic"
	"time"

	"minitcp/conn"
	"minitcp/conn/wire"
)

// superframe is the number of bytes of data in the largest superframe whose IP header can express its length.
const superframe = maxPacket - wire.IPv6HeaderLen - maxTCPHeader

// frameLimit is the largest number of bytes of data in a frame. Near peers over IPv4 get superframes larger than an IP
// packet if the device takes them (BIG TCP): one such frame carries four times as much data through the peer's receive
// path. Other peers get none, because another device would have to cut them.
type frameLimit struct {
	usual int          // limit in bytes for most peers; 0 is one segment
	big   int          // limit in bytes for near peers over IPv4
	from  atomic.Int64 // the conn.Time from which big applies
	pause atomic.Int64 // length of the last pause, a time.Duration
	// tapped reports whether frames are observed. An [Observer] gets whole IP packets.
	tapped func() bool
}

// bigPause is the first pause in sending frames larger than a packet after the device has refused one, for instance for
// want of memory in large pieces. Each further pause is twice as long, because the device may never take such a frame.
const bigPause = time.Second

func newFrameLimit(d Device, tapped func() bool) (l *frameLimit) {
	l = &frameLimit{tapped: tapped}
	if !offloads(d) {
		return l
	}
	l.usual, l.big = superframe, superframe
	if b, ok := d.(BigFramer); ok {
		l.big += max(0, b.MaxFrame()-MaxFrame)
	}
	return l
}

// of returns the limit in bytes for frames of e's connection.
func (l *frameLimit) of(now conn.Time, e *entry) int {
	if l.big > l.usual && e.near && e.Key.Remote.Is4() && int64(now) >= l.from.Load() && !l.tapped() {
		return l.big
	}
	return l.usual
}

// refused begins a pause if the frame that the device has refused is larger than a packet.
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
