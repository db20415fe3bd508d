package conn

import (
	"time"

	"minitcp/conn/cc"
)

// pacer spreads segments over time. It is a token bucket that fills at the pacing rate. The driver's timers have a
// resolution of a millisecond, so the data of one tick may leave early.
type pacer struct {
	next    Time // time at which all data sent would have left at the pacing rate; before now by the time in which the bucket has filled
	waiting bool // a segment waits for the timer
}

const (
	// tick is the resolution of the driver's timers.
	tick = time.Millisecond
	// minPacedRTT is the smallest RTT at which window-based controllers are paced. At a shorter one, the data of a tick is
	// a whole window.
	minPacedRTT = 2 * tick
	// maxHold is the longest delay by the pacer. It limits the effect of a rate that was measured wrong.
	maxHold = time.Second
	// unpaced is the room in bytes without a rate.
	unpaced = int64(1) << 40
)

// room returns the number of bytes that may leave now in segments of size: 0, or the data of a tick and the contents of
// the bucket, at least two segments (draft-ietf-ccwg-bbr-06 5.6.3). The bucket holds up to burst bytes.
func (p *pacer) room(now Time, rate cc.Rate, size, burst int64, srtt time.Duration) int64 {
	if rate == 0 {
		return unpaced
	}
	gathered := rate.Time(burst)
	if p.waiting {
		gathered = max(gathered, 2*tick, srtt/4) // the time by which a timer may be late
	}
	p.next = min(max(p.next, now.Add(-gathered)), now.Add(maxHold))
	ahead := p.next.Sub(now)
	if ahead >= tick {
		return 0
	}
	return max(2*size, rate.Bytes(tick-ahead))
}

// sent takes n bytes out of the bucket.
func (p *pacer) sent(n int64, rate cc.Rate) { p.next = p.next.Add(rate.Time(n)) }

// pacingRate returns the pacing rate, 0 for none. For window-based controllers, a window is sent in half of the RTT in
// slow start and in five sixths of it later, so that the window can grow (as on Linux).
func (c *Conn) pacingRate() cc.Rate {
	if r := c.active.cc.PacingRate(); r != 0 {
		return r
	}
	if c.cfg.Pacing == Disabled || c.path.near || c.rtt.Min < minPacedRTT {
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
	return c.active.pacer.room(now, c.pacingRate(), int64(size), burst, c.rtt.SRTT)
}

// holdBack sets the timer for the next segment that the pacer permits.
func (c *Conn) holdBack() {
	c.active.pacer.waiting = true
	c.active.timer.pace = c.active.pacer.next
}
