package conn

import "minitcp/conn/cc"

// minPacedRTT is the smallest RTT at which window-based controllers are paced. At a shorter one, the data of a tick is
// a whole window.
const minPacedRTT = 2 * cc.Tick

// pacingRate returns the pacing rate, 0 for none. For window-based controllers, a window is sent in half of the RTT in
// slow start and in five sixths of it later, so that the window can grow (as on Linux).
func (c *Conn) pacingRate() cc.Rate {
	if r := c.active.cc.PacingRate(); r != 0 {
		return r
	}
	if c.cfg.Pacing == Disabled || c.near || c.rtt.Min < minPacedRTT {
		return 0
	}
	rate := cc.RateOf(max(c.congestionWindow(), c.pipe()), c.rtt.SRTT)
	if c.active.cc.Window() < c.active.cc.SlowStartThreshold()/2 {
		return rate.Times(2, 1)
	}
	return rate.Times(6, 5)
}

// smallWindow is the size in initial windows up to which a congestion window is small.
const smallWindow = 3

// paceRoom returns the number of bytes that may leave now. Unless the controller sets the rate, the bucket holds an
// initial window (RFC 6928; RFC 9002 7.7 has the same limit). It holds two while the congestion window is small, as
// many as the ACKs of one release in slow start. With less, short responses take longer: each round trip is extended by
// the time over which it is spread, and recovery that begins while the pacer delays data has few segments in flight.
func (c *Conn) paceRoom(now Time, size int) int64 {
	burst := int64(0)
	if c.active.cc.PacingRate() == 0 {
		burst = cc.InitialWindow(c.fullSize())
		if c.congestionWindow() <= smallWindow*burst {
			burst *= 2
		}
	}
	return c.active.pacer.Room(now, c.pacingRate(), int64(size), burst, c.rtt.SRTT)
}

// holdBack sets the timer for the next segment that the pacer permits.
func (c *Conn) holdBack() {
	c.active.pacer.Waiting = true
	c.active.timer.pace = c.active.pacer.Next
}
