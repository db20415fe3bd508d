package conntest

import (
	"math/rand/v2"
	"time"

	"minitcp/conn"
)

// Link is what the network between two ends does, the same in both directions. Its zero value delivers at once, in
// order and whole. Probabilities are from 0 to 1.
type Link struct {
	Delay  time.Duration // one way
	Jitter time.Duration // up to so much more, for each packet by itself: they overtake each other

	Loss        float64
	Duplication float64
	Corruption  float64 // arrives, but damaged: the receiver's checksum is wrong, and it is dropped there
	Marking     float64 // arrives with CE, if its sender permits (ECT)

	Rate  int // octets in a second, 0: no limit
	Queue int // octets that may wait for the rate; a packet that finds more is lost. 0: no limit

	// Superframes is the most octets of data handed over in one piece (Transmit's limit). The receiver gets superframes
	// whole, as a TUN delivers them.
	Superframes int
	// Cut has superframes cut into segments before they are sent, as a network card does.
	Cut bool
}

// Fate is what becomes of one packet.
type Fate struct {
	Copies int           // that are delivered: 0 is loss
	Damage bool          // they arrive damaged
	Mark   bool          // they arrive with CE, if their sender permits (ECT)
	Delay  time.Duration // on top of the link's own
}

// Random returns what Link's probabilities make of a packet.
func (l *Link) random(r *rand.Rand) Fate {
	f := Fate{Copies: 1}
	if r.Float64() < l.Loss {
		f.Copies = 0
	}
	if r.Float64() < l.Duplication {
		f.Copies *= 2
	}
	f.Damage = r.Float64() < l.Corruption
	if l.Marking > 0 { // drawn for nothing, it would change what every seed has shown so far
		f.Mark = r.Float64() < l.Marking
	}
	return f
}

// pipe is one direction of a link.
type pipe struct {
	free conn.Time // when the last packet will have been sent
}

// depart returns when a packet of n octets that is handed over now has been sent, and false if there is no room for it.
func (p *pipe) depart(l *Link, now conn.Time, n int) (conn.Time, bool) {
	if l.Rate <= 0 {
		return now, true
	}
	start := max(p.free, now)
	if waiting := int64(start.Sub(now)) * int64(l.Rate) / int64(time.Second); l.Queue > 0 && waiting+int64(n) > int64(l.Queue) {
		return 0, false
	}
	p.free = start.Add(time.Duration(int64(n) * int64(time.Second) / int64(l.Rate)))
	return p.free, true
}
