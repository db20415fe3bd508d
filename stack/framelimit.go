package stack

import (
	"sync/atomic"
	"time"

	"minitcp/conn"
	"minitcp/conn/wire"
)

// superframe is the number of bytes of data in the largest superframe whose IP header can express its length.
const superframe = maxPacket - wire.IPv6HeaderLen - maxTCPHeader

// frameLimit is the number of bytes of data that a frame may hold. For a near peer over IPv4 it is more than an IP packet
// can hold if the device takes such frames (BIG TCP): the peer's receiver is called once for four times as much data. A
// peer that is not near gets none, because another device would have to cut them.
type frameLimit struct {
	usual int          // 0: one segment
	big   int          // for near peers over IPv4
	from  atomic.Int64 // the conn.Time from which big applies
	pause atomic.Int64 // length of the last pause, a time.Duration
}

// bigPause is the time for which no frame larger than a packet is sent after the device has refused one, for want of large
// pieces of memory perhaps. It doubles each time, because the device may never take one.
const bigPause = time.Second

func newFrameLimit(d Device, tapped bool) (l *frameLimit) {
	l = &frameLimit{}
	if !offloads(d) {
		return l
	}
	l.usual, l.big = superframe, superframe
	if b, ok := d.(BigFramer); ok && !tapped { // Config.Tap promises whole IP packets
		l.big += max(0, b.MaxFrame()-MaxFrame)
	}
	return l
}

// of returns the limit for frames of e's connection.
func (l *frameLimit) of(now conn.Time, e *entry) int {
	if l.big > l.usual && e.near && e.key.remote.is4() && int64(now) >= l.from.Load() {
		return l.big
	}
	return l.usual
}

// refused begins a pause if the device has refused a frame larger than a packet.
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
