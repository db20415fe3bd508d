package netem

import "time"

// Random is a source of random values. A *rand.Rand with a seed is one, with which equal packets have equal fates.
type Random interface {
	Float64() float64     // in [0, 1)
	Int64N(n int64) int64 // in [0, n)
}

// Fate holds the faults of one packet.
type Fate struct {
	Copies int           // number delivered, 0 to 2; 0 means lost
	Damage bool          // damaged on arrival
	Mark   bool          // CE on arrival if the packet has ECT
	Delay  time.Duration // in addition to the link's
}

// Draw draws the fate of a packet that is sent now. No random value is drawn for a fault that the direction does not
// have, so that a new kind of fault does not change the fates of existing configurations.
func (d *Direction) Draw(now time.Duration, r Random) Fate {
	f := Fate{Copies: 1}
	if r.Float64() < d.Loss {
		f.Copies = 0
	}
	if r.Float64() < d.Duplication {
		f.Copies *= 2
	}
	f.Damage = r.Float64() < d.Corruption
	if d.Marking > 0 {
		f.Mark = r.Float64() < d.Marking
	}
	if d.Reordering > 0 && r.Float64() < d.Reordering {
		f.Delay = d.ReorderingDelay
	}
	if d.inBurst(now, r) {
		f.Copies = 0
	}
	return f
}

// inBurst reports whether the model of losses in bursts loses the packet.
func (d *Direction) inBurst(now time.Duration, r Random) bool {
	b := &d.Burst
	if b.Begin == 0 && b.Between == 0 {
		return false
	}
	d.bad = d.bad && (b.MaxGap == 0 || now-d.last < b.MaxGap)
	d.last = now
	if d.bad {
		d.bad = r.Float64() >= b.End
	} else {
		d.bad = r.Float64() < b.Begin
	}
	if d.bad {
		return r.Float64() < b.Loss
	}
	return b.Between > 0 && r.Float64() < b.Between
}
