package conn

import (
	"time"

	"minitcp/conn/cc"
	"minitcp/conn/seq"
)

// The sizes of the buffers follow the transfer, between the initial and the largest sizes in the Config. These sizes
// are limits: a buffer takes memory from the pool only for data that it holds.

// receiveTuning makes the receive window large enough that the sender never waits for it (dynamic right-sizing, Linux's
// tcp_rcv_space_adjust). The window is twice the data that the application has read in a round trip, since the sender
// may send twice as much in the next one. It is four times that data while the data doubles in each round trip. The
// window therefore grows only if the application keeps up.
type receiveTuning struct {
	begun      bool       // a round trip is being measured
	slowReader bool       // in this round trip, more than half of the buffer was unread at some time
	stamp      uint32     // least timestamp whose echo shows that the round trip has ended
	since      Time       // beginning of the round trip
	from       seq.Offset // end of the data that the application had read at that time
	read       int64      // bytes read in the round trip before
	lastData   Time       // time of the last data
}

const (
	// unknownRTT is the assumed round-trip time before the first measurement.
	unknownRTT = 100 * time.Millisecond
	// scarceBuffer is the size limit of a buffer in bytes while memory is scarce. Data in an advertised window is kept
	// beyond it until memory is exhausted.
	scarceBuffer = 64 << 10
	// leastShare is the number of bytes that a send buffer on a near path may hold however much other connections hold:
	// two GSO packets, one in flight and one to follow.
	leastShare = 128 << 10
)

// tuneReceive adapts the receive buffer's limit to data that has arrived.
func (c *Conn) tuneReceive(now Time, s *Segment) {
	t := &c.active.tuning
	if c.rcv.fixed {
		return
	}
	if t.begun && now.Sub(t.lastData) >= idleTime {
		c.rcv.bufferLimit, t.begun, t.read = c.cfg.ReceiveBuffer, false, 0
	}
	t.lastData = now
	t.slowReader = t.slowReader || c.rcv.buf.Readable() > c.rcv.bufferLimit/2
	switch {
	case !t.begun:
	case !c.roundTripped(now, s):
		return
	default:
		c.noteBulk(now, int(c.rcv.buf.Start()-t.from))
		read := c.perRoundTrip(int64(c.rcv.buf.Start()-t.from), now)
		want := 2 * read
		if more := min(read, 2*t.read) - t.read; t.read > 0 && more > 0 {
			want += want / t.read * more // four times the data read, if that has doubled
		}
		if want > int64(c.rcv.bufferLimit) {
			c.rcv.bufferLimit = int(min(want, int64(c.cfg.MaxReceiveBuffer)))
		}
		t.read = read
	}
	t.begun, t.slowReader, t.since, t.from = true, false, now, c.rcv.buf.Start()
	t.stamp = c.clock(now) + 1 // one tick later, since segments with the present value may have left before
}

// perRoundTrip converts the bytes read since the round trip began to bytes per round-trip time. The end of a round trip
// is seen only when data arrives. A time that is longer than before is therefore taken into account by one eighth, as
// the path may have become longer, and not at all if the peer may have waited for the application to read.
func (c *Conn) perRoundTrip(octets int64, now Time) int64 {
	t, r := &c.active.tuning, &c.rcv
	d := max(now.Sub(t.since), cc.Tick)
	switch {
	case r.rtt == 0 || d < r.rtt:
		r.rtt = d
	case !t.slowReader:
		r.rtt += (d - r.rtt) / 8
	}
	return octets * r.rtt.Microseconds() / d.Microseconds()
}

// roundTripped reports whether the segment left the peer after a segment sent since the round trip began had arrived
// there. Without timestamps, it reports whether one round-trip time has passed.
func (c *Conn) roundTripped(now Time, s *Segment) bool {
	t := &c.active.tuning
	if o := &s.TCP.Options; c.timestamps && o.HasTimestamps && o.TSEcr != 0 {
		return !seq.Less(o.TSEcr, t.stamp)
	}
	if c.rtt.SRTT == 0 {
		return now.Sub(t.since) >= unknownRTT
	}
	return now.Sub(t.since) >= c.rtt.SRTT
}

// tuneSend sets the limit of the send buffer to two congestion windows, one in flight and one to follow as soon as the
// first is acknowledged. The limit shrinks with the window.
func (c *Conn) tuneSend() {
	if c.snd.fixed {
		return
	}
	want := 2 * min(c.active.cc.Window(), int64(c.cfg.MaxSendBuffer))
	c.snd.bufferLimit = int32(min(max(want, int64(c.cfg.SendBuffer)), int64(c.cfg.MaxSendBuffer)))
}

// receiveLimit returns the number of unread bytes that the connection may hold now.
func (c *Conn) receiveLimit() int { return c.within(c.bulkShare(c.rcv.bufferLimit)) }

// sendBufferLimit returns the number of unacknowledged and unsent bytes that the connection may hold now.
func (c *Conn) sendBufferLimit() int {
	limit := int(c.snd.bufferLimit)
	if limit > leastShare && !c.snd.fixed && c.path.near {
		limit = min(limit, max(c.cfg.Pressure.Share(), leastShare))
	}
	return c.within(limit)
}

// sendRoom returns the number of bytes that still fit into the send buffer.
func (c *Conn) sendRoom() int { return c.sendBufferLimit() - c.snd.buf.Size() }

// SetReceiveBuffer sets the largest number of unread bytes, 2048 to 1 GiB, and ends automatic sizing. The window that
// has been advertised does not shrink (SHLD-14), and the window scale agreed on in the handshake limits its size.
func (c *Conn) SetReceiveBuffer(n int) {
	c.rcv.bufferLimit, c.rcv.fixed = clampBuffer(n), true
}

// SetSendBuffer sets the largest number of unacknowledged bytes, 2048 to 1 GiB, and ends automatic sizing.
func (c *Conn) SetSendBuffer(n int) {
	c.snd.bufferLimit, c.snd.fixed = int32(clampBuffer(n)), true
}
