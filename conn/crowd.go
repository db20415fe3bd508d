package conn

import "time"

// crowd answers: among how many that are sent bulk data must what waits to be received be shared, where the path is short?
//
// There a window waits in the device's queue, and in memory, and not on the way. One connection may have it all; when there
// are many, the queue of all their windows overflows, or goes through memory that no cache holds. A stack knows how many
// there are, and a receiver that its path is short; windows elsewhere are left alone, and so are those the application set.
type crowd struct {
	since Time // when much had come last; 0: it is not counted
}

const (
	// fewWindow is what the windows of a few offer together: what a cache holds. Without it, eight were a tenth slower.
	fewWindow = 4 << 20
	// fairWindow is what each of more than a few may have, so that one ACK serves several superframes: without it, 64 were
	// a fifth slower.
	fairWindow = 512 << 10
	// manyWindow is what the windows of very many offer together. Without it, 512 were half as fast. It is more than the
	// device's queue holds of single segments, where the peers are so near and yet their superframes are cut.
	manyWindow = 32 << 20
	// leastWindow is what each may offer however many there are: two superframes, one on its way and one to follow.
	leastWindow = 128 << 10
	// bulk is how much in a round trip makes a connection one of the crowd.
	bulk = leastWindow / 2
	// crowdTime is how long it stays one with less than that.
	crowdTime = time.Second
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

// crowded is the limit of the receive buffer, or less in a crowd.
func (c *Conn) crowded(limit int) int {
	if limit <= leastWindow || c.rcv.tuning.fixed || !c.nearby() {
		return limit
	}
	if n := c.cfg.Pages.Crowd(0); n > 1 {
		return min(limit, max(fewWindow/n, min(fairWindow, manyWindow/n), leastWindow))
	}
	return limit
}
