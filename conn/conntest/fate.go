package conntest

import (
	"math/rand/v2"
	"time"

	"minitcp/conn"
)

// Fate is the treatment of one packet by the link.
type Fate struct {
	Copies int           // number delivered; 0 means lost
	Damage bool          // damaged on arrival
	Mark   bool          // CE on arrival if the packet has ECT
	Delay  time.Duration // in addition to the link's
}

// fate draws the fate of a packet that is sent now. A pure packet is an ACK without data. No random value is drawn for
// a feature that the link does not use, so that new features do not change old scenarios.
func (p *pipe) fate(l *Link, now conn.Time, r *rand.Rand, pure bool) Fate {
	f := Fate{Copies: 1}
	if r.Float64() < l.Loss {
		f.Copies = 0
	}
	if r.Float64() < l.Duplication {
		f.Copies *= 2
	}
	f.Damage = r.Float64() < l.Corruption
	if l.Marking > 0 {
		f.Mark = r.Float64() < l.Marking
	}
	if pure && l.ACKLoss > 0 && r.Float64() < l.ACKLoss {
		f.Copies = 0
	}
	if l.Reordering > 0 && r.Float64() < l.Reordering {
		f.Delay = l.ReorderingDelay
	}
	if p.inBurst(&l.Burst, now, r) {
		f.Copies = 0
	}
	return f
}

// maxBurstGap is the time without packets after which a burst of losses ends.
const maxBurstGap = time.Second

// inBurst reports whether the packet is lost in a burst.
func (p *pipe) inBurst(b *Burst, now conn.Time, r *rand.Rand) bool {
	if b.Begin == 0 {
		return false
	}
	p.bad = p.bad && now.Sub(p.last) < maxBurstGap
	p.last = now
	if p.bad {
		p.bad = r.Float64() >= b.End
	} else {
		p.bad = r.Float64() < b.Begin
	}
	return p.bad && r.Float64() < b.Loss
}
