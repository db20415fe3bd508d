package netem

import (
	"time"

	"minitcp/conn/wire"
)

// Direction is one direction of a link. Times have any epoch and do not decrease. Its zero value is a direction with
// the zero Config. The Config may change between packets.
type Direction struct {
	Config
	Counts

	line   line
	codel  codel
	bad    bool          // whether a burst of losses is in progress
	last   time.Duration // time of the last packet, for bursts
	latest time.Duration // arrival of the latest packet that is in order
}

// Counts are the totals of a direction, in packets except for Bytes.
type Counts struct {
	Packets, Bytes int64 // that were sent
	TooLarge       int64 // dropped because of Config.MaxPacket
	QueueFull      int64 // dropped by a full queue
	CoDel          int64 // dropped by CoDel
	Lost           int64
	Duplicated     int64
	Damaged        int64
	Reordered      int64 // late by Config.ReorderingDelay
	Marked         int64
}

// LossShare returns the share of lost packets among those that were neither too large nor dropped by the queue.
func (c *Counts) LossShare() float64 {
	n := c.Packets - c.TooLarge - c.QueueFull - c.CoDel
	if n == 0 {
		return 0
	}
	return float64(c.Lost) / float64(n)
}

// Drop is the reason for which a packet does not arrive.
type Drop uint8

const (
	Delivered Drop = iota // the packet arrives
	DropLost
	DropTooLarge
	DropQueueFull
	DropCoDel
)

// Passage is the way of one packet through a direction.
type Passage struct {
	Drop   Drop
	Mark   bool             // whether CoDel or the fate marks it with CE
	Waited time.Duration    // in the queue
	Sent   time.Duration    // end of the transmission
	At     [2]time.Duration // arrival of each copy
	Late   bool             // whether packets that were sent later arrive earlier

	bytes  int64 // sent by the line until then, with this packet
	period int64 // number of the period without idle time of the line
}

// Send carries a packet of size bytes that is sent now. ecn is the field of its IP header. The jitter is drawn from r.
// Lost packets use the line as others do.
func (d *Direction) Send(now time.Duration, size int, ecn wire.ECN, f Fate, r Random) Passage {
	d.Packets++
	d.Bytes += int64(size)
	if d.MaxPacket > 0 && size > d.MaxPacket {
		d.TooLarge++
		return Passage{Drop: DropTooLarge}
	}
	p := d.transmit(now, size, ecn)
	if p.Drop != Delivered {
		return p
	}
	if f.Copies == 0 {
		d.Lost++
		p.Drop = DropLost
		return p
	}
	d.countFaults(&p, &f, ecn)
	p.Late = f.Delay > 0
	for i := range min(f.Copies, len(p.At)) {
		at := p.Sent + d.Delay + f.Delay
		if d.Jitter > 0 {
			at += time.Duration(r.Int64N(int64(d.Jitter)))
		}
		if d.Order == KeepOrder && !p.Late {
			at = max(at, d.latest)
			d.latest = at
		}
		p.At[i] = at
	}
	return p
}

// countFaults counts the faults of a packet that arrives.
func (d *Direction) countFaults(p *Passage, f *Fate, ecn wire.ECN) {
	if f.Copies > 1 {
		d.Duplicated++
	}
	if f.Damage {
		d.Damaged++
	}
	if f.Delay > 0 {
		d.Reordered++
	}
	if p.Mark = (p.Mark || f.Mark) && ecn != wire.NotECT; p.Mark {
		d.Marked++
	}
}

// transmit passes a packet through the queue and the line.
func (d *Direction) transmit(now time.Duration, size int, ecn wire.ECN) Passage {
	l := &d.line
	if !d.limited() {
		l.sentBytes += int64(size)
		l.periods++
		return Passage{Sent: now, bytes: l.sentBytes, period: l.periods}
	}
	start := max(l.free, now)
	p := Passage{Waited: start - now}
	if d.overflows(now, size, p.Waited) {
		d.QueueFull++
		p.Drop = DropQueueFull
		return p
	}
	if d.Discipline == CoDel && d.codel.signals(start, p.Waited, max(codelTarget, l.peek(&d.Config, start))) {
		if ecn == wire.NotECT {
			d.CoDel++
			p.Drop = DropCoDel
			return p
		}
		p.Mark = true
	}
	if p.Waited == 0 {
		l.periods++
	} else if d.QueuePackets > 0 {
		l.starts.push(start)
	}
	l.free = l.send(&d.Config, now, size)
	l.sentBytes += int64(size)
	p.Sent, p.bytes, p.period = l.free, l.sentBytes, l.periods
	return p
}

// overflows reports whether a packet that arrives now exceeds a limit of the queue.
func (d *Direction) overflows(now time.Duration, size int, wait time.Duration) bool {
	return d.QueueTime > 0 && wait > d.QueueTime ||
		d.QueuePackets > 0 && d.line.starts.after(now) >= d.QueuePackets ||
		d.QueueBytes > 0 && d.line.backlog(&d.Config, now)+int64(size) > int64(d.QueueBytes)
}

// Wait returns the time that a packet that is sent now would wait in the queue.
func (d *Direction) Wait(now time.Duration) time.Duration { return max(0, d.line.free-now) }
