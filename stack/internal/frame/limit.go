package frame

import (
	"sync/atomic"
	"time"

	"minitcp/conn"
	"minitcp/conn/wire"
)

// Superframe is the number of bytes of data in the largest superframe whose IP header can express its length.
const Superframe = MaxPacket - wire.IPv6HeaderLen - maxTCPHeader

// Limit is the largest number of bytes of data in a frame. Near peers over IPv4 get superframes larger than an IP
// packet if the device takes them (BIG TCP): one such frame carries four times as much data through the peer's receive
// path. Other peers get none, because another device would have to cut them.
type Limit struct {
	Usual int          // limit in bytes for most peers; 0 is one segment
	Big   int          // limit in bytes for near peers over IPv4
	from  atomic.Int64 // the conn.Time from which Big applies
	pause atomic.Int64 // length of the last pause, a time.Duration
}

// bigPause is the first pause in sending frames larger than a packet after the device has refused one, for instance for
// want of memory in large pieces. Each further pause is twice as long, because the device may never take such a frame.
const bigPause = time.Second

// AllowsBig reports whether Big applies now.
func (l *Limit) AllowsBig(now conn.Time) bool { return l.Big > l.Usual && int64(now) >= l.from.Load() }

// Refused begins a pause if the frame that the device has refused is larger than a packet.
func (l *Limit) Refused(now conn.Time, parts [][]byte) {
	size := 0
	for _, p := range parts {
		size += len(p)
	}
	if size > MaxSize && int64(now) >= l.from.Load() {
		l.pause.Store(max(int64(bigPause), 2*l.pause.Load()))
		l.from.Store(int64(now.Add(time.Duration(l.pause.Load()))))
	}
}
