package conn

import (
	"time"

	"minitcp/conn/seq"
)

// crowd answers: how many are sent bulk data at once, where the path is short?
//
// There a window waits in the device's queue, and in memory, and not on the way. One connection may have it all, a few share
// what a cache holds. When there are more, whoever drives them may let their windows open in turn: see [Conn.Offer]. A stack
// knows how many there are, and a receiver that its path is short; windows elsewhere are left alone, and so are those the
// application set.
type crowd struct {
	since Time // when much had come last; 0: it is not counted
}

const (
	// Few is how many do well by sharing; eight take a fifth less time in turn.
	Few = 4
	// fewWindow is what the windows of a few offer together: what a cache holds. Without it, eight that shared were a tenth
	// slower.
	fewWindow = 4 << 20
	// leastWindow is what each may offer however many there are: two superframes, one on its way and one to follow.
	leastWindow = 128 << 10
	// bulk is how much in a round trip makes a connection one of the crowd.
	bulk = leastWindow / 2
	// crowdTime is how long it stays one with less than that. It may have to wait longer than a second for its turn.
	crowdTime = 5 * time.Second
)

// received is called with the octets that were read in a round trip.
func (c *Conn) received(now Time, octets int) {
	w := &c.rcv.crowd
	switch {
	case octets >= bulk:
		if w.since == 0 {
			c.cfg.Pages.Crowd(1)
		}
		w.since = max(now, 1)
	case w.since != 0 && now.Sub(w.since) > crowdTime:
		c.leaveCrowd()
	}
}

// leaveCrowd is called when the connection ends or goes to sleep, too.
func (c *Conn) leaveCrowd() {
	if c.rcv.crowd.since != 0 {
		c.rcv.crowd.since = 0
		c.cfg.Pages.Crowd(-1)
	}
}

// Crowd is how many connections are sent bulk data while this one is, over a short path, with a window that sizes itself; 0 if
// it is not.
func (c *Conn) Crowd() int {
	if c.awake == nil || c.rcv.crowd.since == 0 || c.rcv.tuning.fixed || !c.state.mayReceive() || !c.Nearby() {
		return 0
	}
	return c.cfg.Pages.Crowd(0)
}

// Offer lets the window's edge move up to n octets beyond what has arrived, but for rounding, and no further until the next
// call; where it is it stays. With less than 0, it follows what there is room for, as it does to begin with.
func (c *Conn) Offer(n int) {
	if c.awake == nil {
		return // and when it wakes the window follows what there is room for
	}
	r := &c.rcv
	if n < 0 {
		r.ration = 0
	} else {
		r.ration = r.buf.Next() + seq.Offset(n)
	}
	if n != 0 && c.state.mayReceive() && int64(c.offer()-r.edge) >= c.usefulWindow() {
		c.acknowledgeNow(NoteWindowUpdate)
	}
}

// Offered is how much of the window is left, with what Offer lets it open yet, and how much that has arrived was not read, in octets.
func (c *Conn) Offered() (left, unread int) {
	if c.awake == nil {
		return 0, 0
	}
	r := &c.rcv
	return int(max(r.edge, r.ration) - r.nxt()), r.buf.Readable()
}

// crowded is the limit of the receive buffer, or less in a crowd.
func (c *Conn) crowded(limit int) int {
	if limit <= leastWindow || c.rcv.tuning.fixed || c.rcv.ration > 0 || !c.Nearby() {
		return limit
	}
	if n := c.cfg.Pages.Crowd(0); n > 1 {
		return min(limit, max(fewWindow/n, leastWindow))
	}
	return limit
}
