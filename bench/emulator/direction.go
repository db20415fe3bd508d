package emulator

import (
	"math/rand/v2"
	"time"
)

// Config describes one way of a link. The zero value loses, delays and limits nothing.
type Config struct {
	// Rate is that of IP packets in bits per second; 0 for no limit.
	Rate int64
	// Trace, if not empty, replaces Rate.
	Trace Trace
	// Delay is the time from the end of the sending of a packet to its arrival.
	Delay time.Duration
	// QueuePackets limits the number of waiting packets, without the one in transmission, and QueueTime the time that a
	// packet waits. A packet beyond either limit is dropped. 0 means no limit.
	QueuePackets int
	QueueTime    time.Duration
	// Loss is the part of the packets, 0 to 1, that are sent and do not arrive.
	Loss float64
	// Reorder is the part of the packets, 0 to 1, that are late by ReorderBy.
	Reorder   float64
	ReorderBy time.Duration
	// Jitter is the maximum additional delay of a packet, evenly distributed. Packets overtake one another.
	Jitter time.Duration
	// Seed determines the faults: the same for packets with the same number.
	Seed uint64
}

// Stats counts packets.
type Stats struct {
	Sent      int64 // onto the line
	Dropped   int64 // because the queue was full
	Lost      int64
	Reordered int64
}

// Direction is one way of a link. Times have any epoch and never decrease.
type Direction struct {
	Stats
	cfg     Config
	random  *rand.Rand
	played  played
	free    time.Duration   // time at which the line has sent all packets
	begins  []time.Duration // start of the transmission of each waiting packet
	transit transit
}

// NewDirection returns an empty direction.
func NewDirection(cfg Config) *Direction {
	return &Direction{cfg: cfg, random: rand.New(rand.NewPCG(cfg.Seed, 0)), played: played{trace: cfg.Trace, next: -1}}
}

// Arrive adds a packet at the near end, and returns false if the packet is dropped. The packet is kept until Take
// returns it, or passed to release if it is lost on the way.
func (d *Direction) Arrive(now time.Duration, packet []byte, release func([]byte)) bool {
	// The same number of random values for each packet, so that its fate does not depend on that of others.
	lost, late, jitter := d.random.Float64(), d.random.Float64(), d.random.Float64()

	wait := d.Wait(now)
	if d.cfg.QueueTime > 0 && wait > d.cfg.QueueTime || d.cfg.QueuePackets > 0 && d.waiting(now) >= d.cfg.QueuePackets {
		d.Dropped++
		return false
	}
	if wait > 0 && d.cfg.QueuePackets > 0 {
		d.begins = append(d.begins, d.free)
	}
	d.free = d.sent(now, len(packet))
	d.Sent++
	if lost < d.cfg.Loss {
		d.Lost++
		release(packet)
		return true
	}
	at := d.free + d.cfg.Delay + time.Duration(jitter*float64(d.cfg.Jitter))
	if late < d.cfg.Reorder {
		d.Reordered++
		at += d.cfg.ReorderBy
	}
	d.transit.push(at, packet)
	return true
}

// sent returns when the line has sent a packet of so many bytes that arrives now.
func (d *Direction) sent(now time.Duration, bytes int) time.Duration {
	if len(d.cfg.Trace) > 0 {
		return d.played.send(now, bytes)
	}
	return max(now, d.free) + d.time(bytes)
}

// time returns the time in which a line with a Rate sends a number of bytes.
func (d *Direction) time(bytes int) time.Duration {
	if d.cfg.Rate == 0 {
		return 0
	}
	return time.Duration(int64(bytes) * 8 * int64(time.Second) / d.cfg.Rate)
}

// Capacity returns the number of bytes that the line could have sent until now, or 0 without a limit.
func (d *Direction) Capacity(now time.Duration) int64 {
	if len(d.cfg.Trace) > 0 {
		return int64(d.cfg.Trace.from(now)) * MTU
	}
	return int64(float64(d.cfg.Rate) / 8 * now.Seconds())
}

// Wait returns the time that a packet that arrived now would wait.
func (d *Direction) Wait(now time.Duration) time.Duration { return max(0, d.free-now) }

// waiting returns the number of packets in the queue.
func (d *Direction) waiting(now time.Duration) int {
	begun := 0
	for begun < len(d.begins) && d.begins[begun] <= now {
		begun++
	}
	d.begins = append(d.begins[:0], d.begins[begun:]...)
	return len(d.begins)
}

// Next returns when the next packet reaches the far end, and false if none is on its way.
func (d *Direction) Next() (at time.Duration, ok bool) {
	if len(d.transit.packets) == 0 {
		return 0, false
	}
	return d.transit.packets[0].at, true
}

// Take returns the next packet that has reached the far end, and nil if there is none.
func (d *Direction) Take(now time.Duration) []byte {
	if at, ok := d.Next(); !ok || at > now {
		return nil
	}
	return d.transit.pop()
}
