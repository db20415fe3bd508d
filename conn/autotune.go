package conn

import (
	"time"

	"minitcp/conn/buffer"
	"minitcp/conn/bulk"
)

// The sizes of the buffers follow the transfer, between the initial and the largest sizes in the Config. These sizes
// are limits: a buffer takes memory from the pool only for data that it holds.

// unknownRTT is the assumed round-trip time before the first measurement.
const unknownRTT = 100 * time.Millisecond

// leastShare is the number of bytes that a send buffer on a near path may hold however much other connections hold: two
// GSO packets, one in flight and one to follow.
const leastShare = 128 << 10

// tuneReceive adapts the receive buffer's limit to data that has arrived.
func (c *Conn) tuneReceive(now Time, s *Segment) {
	t, r := &c.active.tuning, &c.rcv
	if r.fixed {
		return
	}
	if t.Data(now, r.buf.Readable(), r.bufferLimit, idleTime) {
		r.bufferLimit = c.cfg.ReceiveBuffer
	}
	start := r.buf.Start()
	if t.Begun() {
		if !c.roundTripped(now, s) {
			return
		}
		if c.snd.near {
			c.active.bulk.Note(now, t.Read(start), c.cfg.BulkReceivers)
		}
		if want := t.End(now, start, &r.rtt); want > int64(r.bufferLimit) {
			r.bufferLimit = int(min(want, int64(c.cfg.MaxReceiveBuffer)))
		}
	}
	t.Begin(now, start, c.clock(now)+1) // one tick later, since segments with the present value may have left before
}

// roundTripped reports whether the segment left the peer after a segment sent since the round trip began had arrived
// there. Without timestamps, it reports whether one round-trip time has passed.
func (c *Conn) roundTripped(now Time, s *Segment) bool {
	t := &c.active.tuning
	if o := &s.TCP.Options; c.timestamps && o.HasTimestamps && o.TSEcr != 0 {
		return t.Echoed(o.TSEcr)
	}
	if c.rtt.SRTT == 0 {
		return t.Since(now) >= unknownRTT
	}
	return t.Since(now) >= c.rtt.SRTT
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

// endBulk ends the connection's share in the window of bulk receivers.
func (c *Conn) endBulk() {
	if c.active != nil {
		c.active.bulk.End(c.cfg.BulkReceivers)
	}
}

// receiveLimit returns the number of unread bytes that the connection may hold now. The advertised window may be
// larger, since its edge does not move back (SHLD-14).
func (c *Conn) receiveLimit() int {
	limit := c.rcv.bufferLimit
	if c.snd.near && !c.rcv.fixed {
		limit = bulk.Share(limit, c.cfg.BulkReceivers)
	}
	if share := buffer.StalledShare(c.cfg.Pressure); limit > share {
		return min(limit, max(share, c.shareOf(int64(c.rcv.buf.Start()))))
	}
	return limit
}

// shareOf returns the number of bytes that a buffer may hold whose consumer has taken some, and takes more.
func (c *Conn) shareOf(taken int64) int {
	return buffer.MovingShare(c.cfg.Pressure.Level(), c.cfg.Pressure.BufferShare(buffer.Moving), taken)
}

// sendBufferLimit returns the number of unacknowledged and unsent bytes that the connection may hold now.
func (c *Conn) sendBufferLimit() int {
	limit := int(c.snd.bufferLimit)
	if limit > leastShare && !c.snd.fixed && c.snd.near {
		limit = min(limit, max(c.cfg.Pressure.Share(), leastShare))
	}
	if share := buffer.StalledShare(c.cfg.Pressure); limit > share {
		return min(limit, max(share, c.movingShare()))
	}
	return limit
}

// movingShare returns the number of bytes that the send buffer may hold because the peer acknowledges data.
func (c *Conn) movingShare() int {
	if c.stalled() || c.snd.windowClosed() && 2*c.snd.una < buffer.Moderate {
		return 0
	}
	return c.shareOf(int64(c.snd.una))
}

// sendRoom returns the number of bytes that still fit into the send buffer.
func (c *Conn) sendRoom() int { return c.sendBufferLimit() - c.snd.buf.Size() }

// hasSendRoom reports whether a quarter of the send buffer is free.
func (c *Conn) hasSendRoom() bool {
	if c.snd.buf.Size() == 0 {
		return true
	}
	limit := c.sendBufferLimit()
	return limit-c.snd.buf.Size() >= limit/4
}

// SetReceiveBuffer sets the largest number of unread bytes, 2048 to 1 GiB, and ends automatic sizing. The window that
// has been advertised does not shrink (SHLD-14), and the window scale agreed on in the handshake limits its size.
func (c *Conn) SetReceiveBuffer(n int) {
	c.rcv.bufferLimit, c.rcv.fixed = clampBuffer(n), true
}

// SetSendBuffer sets the largest number of unacknowledged bytes, 2048 to 1 GiB, and ends automatic sizing.
func (c *Conn) SetSendBuffer(n int) {
	c.snd.bufferLimit, c.snd.fixed = int32(clampBuffer(n)), true
}
