package conntest

import (
	"fmt"
	"time"

	"minitcp/conn"
	"minitcp/conn/buffer"
)

// stall watches for how long an end that has something to send makes no progress.
type stall struct {
	done  int64 // octets acknowledged and delivered, so far
	state conn.State
	since conn.Time     // nothing has changed since then, or there was a reason
	check conn.Time     // when to look again
	idle  bool          // there was a reason when it was looked last
	rto   time.Duration // the longest since then: undoing a timeout shortens it, but not what runs already
}

// maxSilence is for how many retransmission timeouts, the last of them and as much as it has been backed off, there need
// not be progress: however many are lost in a row, the next retransmission comes before two of them have passed.
const maxSilence = 3

// maxHold is for how long a pacer may hold back besides, when a rate was measured wrong.
const maxHold = time.Second

// lookAgain is how exact that is: a quarter of the shortest timeout there is.
const lookAgain = 50 * time.Millisecond

// watch is called before time goes on to the next instant at which something happens.
func (p *Pair) watch(next conn.Time) {
	for _, e := range []*End{p.A, p.B} {
		if e.Conn == nil || e.over || e.TimeWait != nil || next < e.stall.check {
			continue
		}
		e.stall.check = p.Now.Add(lookAgain)
		s, i := &e.stall, e.Conn.Info(p.Now)
		done := i.Acknowledged + i.Delivered
		if i.RTO >= e.Config.MaxRTO {
			done += int64(i.Timeouts) // it does not become longer: however many are lost, each is tried in time
		}
		idle := p.patience(e, &i) != ""
		if done != s.done || i.State != s.state || idle || s.idle {
			s.done, s.state, s.since, s.rto = done, i.State, p.Now, 0
		}
		if s.idle = idle; idle {
			continue
		}
		for _, o := range p.Link.Outages {
			if p.Now >= conn.Time(o.From) {
				s.since = max(s.since, conn.Time(o.To))
			}
		}
		s.rto = max(s.rto, i.RTO)
		longest := maxSilence * s.rto
		if i.PacingRate > 0 {
			longest += maxHold
		}
		if silence := next.Sub(s.since); silence > longest {
			p.check(fmt.Errorf("stalls: nothing for %v, RTO %v, backoff %d, %d octets in flight and %d unsent, window %d of %d", silence, s.rto,
				i.Backoff, i.InFlight, i.Unsent, i.CongestionWindow, i.SendWindow), e)
		}
	}
}

// spareTimeouts is the number of timeouts for which no loss accounts: in 30,000 scenarios there are at most two.
const spareTimeouts = 4

// idleTimeouts returns an error if more retransmission timers of e have run out than segments were lost, in either direction.
// An end that waits for a timeout before each segment makes progress all the same, and does not stall.
func (e *End) idleTimeouts(p *Pair) error {
	if box := &p.Link.Box; box.SACK > 0 || box.ICMP > 0 {
		return nil // what they make of segments that have arrived costs timeouts
	}
	segment := e.Open.MTU - e.Open.IPHeader - 40
	n, lost := int(e.Conn.Info(p.Now).Timeouts), (e.lost+e.peer.lost)/segment
	if n > lost+spareTimeouts {
		return fmt.Errorf("%s: %d timeouts, where %d segments were lost", e.Name, n, lost)
	}
	return nil
}

// patience is the reason why an end makes no progress; empty: there is none.
func (p *Pair) patience(e *End, i *conn.Info) string {
	switch {
	case i.InFlight == 0 && i.Unsent == 0:
		return "nothing to send"
	case e.peer.Conn != nil && e.peer.Conn.Info(p.Now).Unread > 0:
		return "the peer's application is not reading"
	case p.rebooting != nil && e == p.rebooting.survivor:
		return "the peer has rebooted"
	case p.Link.Box.shrinks(e.peer, p.Now) != nil:
		return "the peer's window has shrunk"
	case e.peer.Pages.Level() == buffer.Exhausted:
		return "the peer has no memory"
	}
	return ""
}
