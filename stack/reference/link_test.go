package reference

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"minitcp/conn/wire"
)

// impairment gives the numbers of packets per thousand that are lost, late, duplicated or damaged.
type impairment struct {
	lost    int
	late    int // overtaken by later packets
	twice   int
	damaged int // one bit is inverted
}

func (i impairment) String() string {
	if i == (impairment{}) {
		return "perfect"
	}
	return fmt.Sprintf("lost=%d,late=%d,twice=%d,damaged=%d", i.lost, i.late, i.twice, i.damaged)
}

const mtu = 1500

const (
	delay = 5 * time.Millisecond // one way
	rate  = 12_500_000           // bytes per second
	grain = 100 * time.Microsecond
)

// packet is a packet that arrives at the time at.
type packet struct {
	at    time.Duration
	bytes []byte
}

// direction is one direction of a link. It has its own random numbers, so that the fate of a packet depends only on the
// seed and the order of packets.
type direction struct {
	impairment
	mu    sync.Mutex
	dice  *rand.Rand
	free  time.Duration // time from which the line is free
	queue []packet      // in order of arrival

	sent, lost, late, twice, damaged int
	zeroWindows                      int // segments with a window of 0
	resets                           int
}

func newDirection(i impairment, seed, half uint64) *direction {
	return &direction{impairment: i, dice: rand.New(rand.NewPCG(seed, half))}
}

// send adds a packet, which the link owns from then on.
func (d *direction) send(now time.Duration, p []byte) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.look(p)
	d.sent++
	d.free = max(d.free, now) + time.Duration(len(p))*time.Second/rate
	at := d.free + delay
	if d.hits(d.impairment.lost) {
		d.lost++
		return
	}
	if d.hits(d.impairment.twice) {
		d.twice++
		d.add(at+time.Duration(d.dice.Int64N(int64(delay))), slices.Clone(p))
	}
	if d.hits(d.impairment.late) {
		d.late++
		at += time.Duration(d.dice.Int64N(int64(2 * delay)))
	}
	if d.hits(d.impairment.damaged) {
		d.damaged++
		p[d.dice.IntN(len(p))] ^= 1 << d.dice.IntN(8)
	}
	d.add(at, p)
}

// seen returns the number of segments with a window of 0, and of RSTs.
func (d *direction) seen() (zeroWindows, resets int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.zeroWindows, d.resets
}

// heal removes the impairments.
func (d *direction) heal() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.impairment = impairment{}
}

func (d *direction) hits(ofThousand int) bool { return d.dice.IntN(1000) < ofThousand }

func (d *direction) add(at time.Duration, p []byte) {
	at = (at + grain - 1) / grain * grain
	i, _ := slices.BinarySearchFunc(d.queue, at+1, func(q packet, at time.Duration) int { return int(q.at - at) })
	d.queue = slices.Insert(d.queue, i, packet{at, p})
}

func (d *direction) look(p []byte) {
	var ip wire.IP
	var h wire.TCP
	payload, err := wire.ParseIP(p, &ip)
	if err != nil || ip.Protocol != wire.ProtocolTCP {
		return
	}
	if _, err := wire.ParseTCP(payload, &h); err != nil {
		return
	}
	if h.Window == 0 && !h.Flags.Has(wire.RST) {
		d.zeroWindows++
	}
	if h.Flags.Has(wire.RST) {
		d.resets++
	}
}

// arrived removes and returns the packets that have arrived.
func (d *direction) arrived(now time.Duration) []packet {
	d.mu.Lock()
	defer d.mu.Unlock()
	n := 0
	for n < len(d.queue) && d.queue[n].at <= now {
		n++
	}
	out := slices.Clone(d.queue[:n])
	d.queue = slices.Delete(d.queue, 0, n)
	return out
}

// next returns the time of the next arrival, or false if no packet is in flight.
func (d *direction) next() (time.Duration, bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if len(d.queue) == 0 {
		return 0, false
	}
	return d.queue[0].at, true
}
