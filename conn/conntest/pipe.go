package conntest

import (
	"time"

	"minitcp/conn"
)

// pipe is one direction of a link: a queue before a line of a certain rate. Several connections may share one.
type pipe struct {
	free  conn.Time // when the last packet will have been sent
	codel codel
	bad   bool      // a burst of losses is going on
	last  conn.Time // when the last packet came, if there are bursts
}

// Discipline is how a queue is kept short.
type Discipline uint8

const (
	// DropTail lets it become full, and takes nothing more then.
	DropTail Discipline = iota
	// CoDel drops from it what is too much for too long (RFC 8289), or marks it where that may be.
	CoDel
)

// String is its usual name.
func (d Discipline) String() string {
	if d == CoDel {
		return "CoDel"
	}
	return "drop-tail"
}

// departure is what becomes of a packet at the queue.
type departure struct {
	at   conn.Time // when it has been sent
	mark bool      // it leaves with CE
	lost string    // why it does not; empty: it does
}

// depart sends a packet of n octets that is handed over now; ect: it may be marked.
func (p *pipe) depart(l *Link, now conn.Time, n int, ect bool) departure {
	if l.Rate <= 0 && len(l.Rates) == 0 {
		return departure{at: now}
	}
	start := max(p.free, now)
	if l.Queue > 0 && l.waiting(now, start)+int64(n) > int64(l.Queue) {
		return departure{lost: "lost: queue full"}
	}
	d := departure{}
	if l.Discipline == CoDel && p.codel.signals(start, start.Sub(now), max(codelTarget, l.sent(start, 1500).Sub(start))) {
		if !ect {
			return departure{lost: "lost: CoDel"}
		}
		d.mark = true
	}
	p.free = l.sent(start, n)
	d.at = p.free
	return d
}

// QueueDelay returns how long a packet that e sent now would wait in its link's queue.
func (p *Pair) QueueDelay(e *End) time.Duration { return max(0, e.pipe.free.Sub(p.Now)) }
