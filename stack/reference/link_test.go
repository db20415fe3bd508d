package reference

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"minitcp/conn/wire"
)

// impairment says how bad a link is: of a thousand packets, how many meet which fate.
type impairment struct {
	lost    int
	late    int // overtaken by those behind it
	twice   int
	damaged int // one bit is inverted
}

func (i impairment) String() string {
	if i == (impairment{}) {
		return "perfect"
	}
	return fmt.Sprintf("lost=%d,late=%d,twice=%d,damaged=%d", i.lost, i.late, i.twice, i.damaged)
}

const (
	delay = 5 * time.Millisecond // each way
	rate  = 12_500_000           // octets per second
	grain = 100 * time.Microsecond
)

// packet is on its way until at.
type packet struct {
	at    time.Duration
	bytes []byte
}

// direction is one of the two halves of a link. Its dice are its own, so that what happens to its packets depends on the
// seed and on their order alone.
type direction struct {
	impairment
	mu    sync.Mutex
	dice  *rand.Rand
	free  time.Duration // when the line is free
	queue []packet      // by time of arrival

	sent, lost, late, twice, damaged int
	zeroWindows                      int // segments that offered no window
	resets                           int
}

func newDirection(i impairment, seed, half uint64) *direction {
	return &direction{impairment: i, dice: rand.New(rand.NewPCG(seed, half))}
}

// send takes a packet, which is then the link's.
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

// seen is how many segments have offered no window, and how many were RSTs.
func (d *direction) seen() (zeroWindows, resets int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.zeroWindows, d.resets
}

// heal makes it perfect.
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

// arrived takes out what has arrived by now.
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

// next is when the next packet arrives; false: none is on its way.
func (d *direction) next() (time.Duration, bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if len(d.queue) == 0 {
		return 0, false
	}
	return d.queue[0].at, true
}
