package conntest

import (
	"math/rand/v2"
	"time"

	"minitcp/conn"
)

// Fate is what becomes of one packet.
type Fate struct {
	Copies int           // that are delivered: 0 is loss
	Damage bool          // they arrive damaged
	Mark   bool          // they arrive with CE, if their sender permits (ECT)
	Delay  time.Duration // on top of the link's own
}

// fate returns what a link's probabilities make of a packet that is sent now; pure: it only acknowledges. Nothing is drawn for what the link
// does not do, so that what it does is the same whatever else links could do.
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

// maxBurst is the silence that ends a bad time: else it would wait for who sends a packet in two minutes.
const maxBurst = time.Second

// inBurst reports whether a burst takes the packet.
func (p *pipe) inBurst(b *Burst, now conn.Time, r *rand.Rand) bool {
	if b.Begin == 0 {
		return false
	}
	p.bad = p.bad && now.Sub(p.last) < maxBurst
	p.last = now
	if p.bad {
		p.bad = r.Float64() >= b.End
	} else {
		p.bad = r.Float64() < b.Begin
	}
	return p.bad && r.Float64() < b.Loss
}
