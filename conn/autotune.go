package conn

import (
	"time"

	"minitcp/conn/seq"
)

// Buffers size themselves, between what the Config says to begin with and what it says at most. How much memory that
// takes is another question: buffers borrow pages where there is data, and nowhere else.

// receiveTuning answers: how much must the window offer so that the sender never waits for it? Twice what the application
// has read in a round trip, for the sender may send twice as much in the next; and twice that while it does so each time,
// for what is in flight by then. So a reader who keeps up lets the window grow, and one who does not, does not
// (dynamic right-sizing; Linux's tcp_rcv_space_adjust).
type receiveTuning struct {
	begun      bool       // a round trip is being watched
	slowReader bool       // in this one, much of what had arrived was left unread
	stamp      uint32     // what echoes this timestamp or a later one left after the round trip began
	since      Time       // when that was
	from       seq.Offset // what the application had read by then
	read       int64      // octets it read in the round trip before
	lastData   Time       // when data came last
}

const (
	// unknownRTT stands in for a round trip that was never measured.
	unknownRTT = 100 * time.Millisecond
	// scarceBuffer is the most that a buffer holds while memory is scarce, but for what it has promised; when there is
	// none left, that too.
	scarceBuffer = 64 << 10
	// leastShare is the number of bytes that a send buffer on a near path may hold however much others hold: two
	// superframes, one on its way and one to follow.
	leastShare = 128 << 10
)

// tuneReceive looks at data that has arrived.
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
			want += want / t.read * more // 4 times what was read, when that has doubled
		}
		if want > int64(c.rcv.bufferLimit) {
			c.rcv.bufferLimit = int(min(want, int64(c.cfg.MaxReceiveBuffer)))
		}
		t.read = read
	}
	t.begun, t.slowReader, t.since, t.from = true, false, now, c.rcv.buf.Start()
	t.stamp = c.clock(now) + 1 // the next tick's: what carries this one may have left before
}

// perRoundTrip is how many of the octets read since the round trip began were read in the time one takes. Nothing says that
// it has ended while nothing comes, so what looks longer than before is believed by and by, as the path may have become
// longer; and not at all if the peer may have waited for the application to read.
func (c *Conn) perRoundTrip(octets int64, now Time) int64 {
	t, r := &c.active.tuning, &c.rcv
	d := max(now.Sub(t.since), tick)
	switch {
	case r.rtt == 0 || d < r.rtt:
		r.rtt = d
	case !t.slowReader:
		r.rtt += (d - r.rtt) / 8
	}
	return octets * r.rtt.Microseconds() / d.Microseconds()
}

// roundTripped reports whether the segment left the peer after something we sent since the round trip began had arrived
// there; without timestamps, whether so much time has passed.
func (c *Conn) roundTripped(now Time, s *Segment) bool {
	t := &c.active.tuning
	if o := &s.TCP.Options; c.timestamps && o.HasTimestamps && o.TSEcr != 0 {
		return !seq.Less(o.TSEcr, t.stamp)
	}
	if c.rtt.srtt == 0 {
		return now.Sub(t.since) >= unknownRTT
	}
	return now.Sub(t.since) >= c.rtt.srtt
}

// tuneSend makes the send buffer hold two congestion windows: one in flight, one to follow as soon as that is
// acknowledged. It shrinks with the window.
func (c *Conn) tuneSend() {
	if c.snd.fixed {
		return
	}
	want := 2 * min(c.active.cc.Window(), int64(c.cfg.MaxSendBuffer))
	c.snd.bufferLimit = int(min(max(want, int64(c.cfg.SendBuffer)), int64(c.cfg.MaxSendBuffer)))
}

// receiveLimit is the most unread octets to hold now.
func (c *Conn) receiveLimit() int { return c.within(c.bulkShare(c.rcv.bufferLimit)) }

// sendBufferLimit is the most unacknowledged octets to hold now.
func (c *Conn) sendBufferLimit() int {
	limit := c.snd.bufferLimit
	if limit > leastShare && !c.snd.fixed && c.path.near {
		limit = min(limit, max(c.cfg.Pressure.Share(), leastShare))
	}
	return c.within(limit)
}

// sendRoom is how many octets more the send buffer takes.
func (c *Conn) sendRoom() int { return c.sendBufferLimit() - c.snd.buf.Size() }

// SetReceiveBuffer sets the most unread octets to hold, 2048 to 1 GiB; the buffer does not size itself any more. The window
// offered already stays offered (SHLD-14), and none larger than its field can say in the unit agreed on can be.
func (c *Conn) SetReceiveBuffer(n int) {
	c.rcv.bufferLimit, c.rcv.fixed = clampBuffer(n), true
}

// SetSendBuffer sets the most unacknowledged octets to hold, 2048 to 1 GiB; the buffer does not size itself any more.
func (c *Conn) SetSendBuffer(n int) {
	c.snd.bufferLimit, c.snd.fixed = clampBuffer(n), true
}
