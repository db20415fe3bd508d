package conn

import (
	"minitcp/conn/scoreboard"
	"minitcp/conn/wire"
)

// transmitLost retransmits the first lost data.
func (c *Conn) transmitLost(now Time, limit int, out *Outgoing) bool {
	q := &c.active.sent
	if q.Lost() == 0 || c.active.recovery.frtoNewSegments > 0 {
		return false
	}
	at := q.FirstLost().Start()
	c.header(now, out, 0, at)
	size := int64(c.roomBeside(out))
	r := q.JoinLost(size)
	n := c.lostLimit(now, r, size, int64(limit))
	if n <= 0 {
		return false
	}
	c.retransmit(now, out, r, n, size)
	c.active.recovery.prr.OnSent(n)
	c.active.pacer.OnSent(n, c.pacingRate())
	c.active.undo.Add(c.active.tsval.Last, at, n)
	if at == c.snd.una && c.active.recovery.phase == fastRecovery && c.active.timer.retransmit != Never {
		// The RTO restarts: the rest of it may be shorter than the round trip of the retransmission (as on Linux).
		c.active.timer.retransmit = now.Add(c.rto())
	}
	c.armRetransmit(now)
	return true
}

// lostLimit returns the number of bytes of r, which is lost, that may be sent now in segments of size, and at most
// limit.
func (c *Conn) lostLimit(now Time, r *scoreboard.Record, size, limit int64) int64 {
	n := min(r.Size(), int64(c.snd.wnd.Edge-r.Start()))
	if n <= 0 {
		return 0 // outside a window that has shrunk: the retransmission timer probes it
	}
	congestion := c.congestionWindow() - c.pipe()
	if congestion < min(n, size) && c.pipe() > 0 {
		c.snd.blocked = true
		return 0
	}
	pace := c.paceRoom(now, int(size))
	if pace <= 0 {
		c.holdBack()
		return 0
	}
	n = min(n, max(congestion, size), max(limit, size), max(pace, size))
	if n > size && n < r.Size() {
		n -= n % size
	}
	return n
}

// retransmit sends the first n bytes of r, which is lost, in segments of size bytes.
func (c *Conn) retransmit(now Time, out *Outgoing, r *scoreboard.Record, n, size int64) {
	at := r.Start()
	data := min(n, int64(c.snd.buf.End()-at)) // the record may end with the FIN
	if data > size {
		out.SegmentSize = int(size)
	}
	c.active.timing.Cancel(now)
	c.emit(out, at, int(data))
	c.countData(out, at, int(data))
	if n >= r.Size() && r.Pushed() {
		out.TCP.Flags |= wire.PSH
	}
	out.Note = NoteRetransmission
	if c.active.recovery.phase == fastRecovery {
		out.Note = NoteFastRetransmission
	}
	t := c.sent(now, int(size))
	c.active.sent.Retransmit(r, n, &t)
	if int64(finLen(out)) > n-data {
		c.retransmitFIN(now)
	}
}

// retransmitFIN records a FIN in a retransmission whose record does not include it.
func (c *Conn) retransmitFIN(now Time) {
	q, s, t := &c.active.sent, &c.snd, c.sent(now, 1)
	switch {
	case s.nxt == s.buf.End(): // the FIN is sent for the first time
		q.Push(s.nxt, s.nxt+1, &t)
		s.nxt++
		s.max = max(s.max, s.nxt)
	case q.Lost() > 0 && q.LastLost().Start() == s.buf.End(): // the FIN was lost
		q.Retransmit(q.LastLost(), 1, &t)
	}
}
