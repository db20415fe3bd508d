package conn

import (
	"time"

	"minitcp/conn/cc"
)

// pacer spreads segments over time. It is a token bucket that fills at the pacing rate. The driver's timers tick in
// milliseconds, so a tick's worth leaves ahead of time.
type pacer struct {
	next    Time // end of what was sent, at the pacing rate; as long before now as the bucket takes to fill that far
	waiting bool // a segment waits for the timer
}

const (
	// tick is how finely the driver's timers tell times apart.
	tick = time.Millisecond
	// minPacedRTT is the shortest round trip that is paced where pacing is only a kindness: what the ticks would make of a
	// shorter one are bursts as long as the window.
	minPacedRTT = 2 * tick
	// maxHold is how long the pacer holds back at the most, so that a rate that was measured wrong does not stop everything.
	maxHold = time.Second
	// unpaced is the room without a rate.
	unpaced = int64(1) << 40
)

// room returns how many bytes may leave now in segments of size: none, or a tick's worth and what the bucket has gathered,
// at least two segments (draft-ietf-ccwg-bbr-06 5.6.3). The bucket gathers up to burst bytes.
func (p *pacer) room(now Time, rate cc.Rate, size, burst int64, srtt time.Duration) int64 {
	if rate == 0 {
		return unpaced
	}
	gathered := rate.Time(burst)
	if p.waiting {
		gathered = max(gathered, 2*tick, srtt/4) // the time by which a timer is late, but not a long sleep
	}
	p.next = min(max(p.next, now.Add(-gathered)), now.Add(maxHold))
	ahead := p.next.Sub(now)
	if ahead >= tick {
		return 0
	}
	return max(2*size, rate.Bytes(tick-ahead))
}

// sent charges n bytes.
func (p *pacer) sent(n int64, rate cc.Rate) { p.next = p.next.Add(rate.Time(n)) }

// pacingRate is how fast may be sent, 0: as fast as the window lets. Controllers that know windows only fill them in half
// of a round trip in slow start and in five sixths of it later, which leaves them room to grow (as Linux does).
func (c *Conn) pacingRate() cc.Rate {
	if r := c.active.cc.PacingRate(); r != 0 {
		return r
	}
	if c.cfg.Pacing == Disabled || c.path.near || c.rtt.minimum < minPacedRTT {
		return 0
	}
	rate := cc.RateOf(max(c.congestionWindow(), c.pipe()), c.rtt.srtt)
	if c.active.cc.Window() < c.active.cc.SlowStartThreshold()/2 {
		return rate.Times(2, 1)
	}
	return rate.Times(6, 5)
}

// smallWindow is up to how many initial windows a congestion window is small.
const smallWindow = 3

// paceRoom returns how many bytes may leave now. Unless the controller decides the rate, the bucket gathers an initial
// window (RFC 6928; RFC 9002 7.7 has the same bound), and two where the congestion window is small: as many as the ACKs of
// one release in slow start. With less, short responses take longer: each round trip ends later by the time over which it
// is spread, and an episode of recovery that begins while the pacer holds data back has little in flight to go on with.
func (c *Conn) paceRoom(now Time, size int) int64 {
	burst := int64(0)
	if c.active.cc.PacingRate() == 0 {
		burst = cc.InitialWindow(c.fullSize())
		if c.congestionWindow() <= smallWindow*burst {
			burst *= 2
		}
	}
	return c.active.pacer.room(now, c.pacingRate(), int64(size), burst, c.rtt.srtt)
}

// holdBack arms the timer for when the pacer lets something go.
func (c *Conn) holdBack() {
	c.active.pacer.waiting = true
	c.active.timer.pace = c.active.pacer.next
}
