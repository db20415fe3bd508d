package conntest

import (
	"time"

	"minitcp/conn"
)

// pipe is one direction of a link: a queue before a line of limited rate. Several connections may share it.
type pipe struct {
	free  conn.Time // end of the transmission of the last packet
	codel codel
	bad   bool      // whether a burst of losses is in progress
	last  conn.Time // time of the last packet, for bursts
}

// Discipline is a queue discipline.
type Discipline uint8

const (
	// DropTail drops packets that arrive while the queue is full.
	DropTail Discipline = iota
	// CoDel also drops, or marks with CE, packets of a queue that stays too long (RFC 8289).
	CoDel
)

// String returns the usual name of the discipline.
func (d Discipline) String() string {
	if d == CoDel {
		return "CoDel"
	}
	return "drop-tail"
}

// departure is the treatment of a packet by the queue.
type departure struct {
	at   conn.Time // end of its transmission
	mark bool      // whether it is marked with CE
	lost string    // reason for dropping it, or ""
}

// depart enqueues a packet of n bytes that arrives now. ect reports whether it may be marked with CE.
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

// QueueDelay returns the time that a packet that e sent now would wait in its link's queue.
func (p *Pair) QueueDelay(e *End) time.Duration { return max(0, e.pipe.free.Sub(p.Now)) }
