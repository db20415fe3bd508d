package conntest

import (
	"fmt"
	"time"

	"minitcp/conn"
	"minitcp/conn/buffer"
)

// progress records for how long an end with data to send has made no progress.
type progress struct {
	bytes   int64 // bytes acknowledged and delivered
	state   conn.State
	since   conn.Time     // time of the last progress, or of the last wait for a reason
	check   conn.Time     // time of the next check
	waiting bool          // whether the end had a reason to wait at the last check
	rto     time.Duration // largest RTO since then; undoing a timeout does not shorten a running timer
}

// maxSilentRTOs is the number of RTOs, with the last backoff, for which an end may make no progress. The next
// retransmission is sent before two of them have passed, whatever number is lost in a row.
const maxSilentRTOs = 3

// maxPacingDelay is the additional time for which a pacer may delay a segment after a wrong measurement of the rate.
const maxPacingDelay = time.Second

// checkInterval is the time between two checks, a quarter of the smallest RTO.
const checkInterval = 50 * time.Millisecond

// watch checks the progress of both ends. It is called before the time moves to next.
func (p *Pair) watch(next conn.Time) {
	for _, e := range []*End{p.A, p.B} {
		if e.Conn == nil || e.over || e.TimeWait != nil || next < e.progress.check {
			continue
		}
		e.progress.check = p.Now.Add(checkInterval)
		s, i := &e.progress, e.Conn.Info(p.Now)
		done := i.Acknowledged + i.Delivered
		if i.RTO >= e.Config.MaxRTO {
			done += int64(i.Timeouts) // the RTO has reached its maximum, so each timeout is in time
		}
		idle := p.waitReason(e, &i) != ""
		if done != s.bytes || i.State != s.state || idle || s.waiting {
			s.bytes, s.state, s.since, s.rto = done, i.State, p.Now, 0
		}
		if s.waiting = idle; idle {
			continue
		}
		for _, o := range p.Link.Outages {
			if p.Now >= conn.Time(o.From) {
				s.since = max(s.since, conn.Time(o.To))
			}
		}
		s.rto = max(s.rto, i.RTO)
		longest := maxSilentRTOs * s.rto
		if i.PacingRate > 0 {
			longest += maxPacingDelay
		}
		if silence := next.Sub(s.since); silence > longest {
			p.check(fmt.Errorf("no progress for %v, RTO %v, backoff %d, %d bytes in flight and %d unsent, congestion window %d, send window %d", silence, s.rto,
				i.Backoff, i.InFlight, i.Unsent, i.CongestionWindow, i.SendWindow), e)
		}
	}
}

// spareTimeouts is the number of timeouts that neither a loss nor a held ACK explains. Two is the maximum in 30,000
// scenarios with SACK.
const spareTimeouts = 4

// checkTimeouts returns an error if e has had more timeouts than segments were lost in both directions, and ACKs were
// held for about the RTO. An end that sends each segment after a timeout makes progress, so watch does not detect it.
func (e *End) checkTimeouts(p *Pair) error {
	if box := &p.Link.Box; box.SACK > 0 || box.ICMP > 0 {
		return nil // false SACK blocks and ICMP errors cause timeouts
	}
	segment := e.Open.MTU - e.Open.IPHeader - 40
	n, lost := int(e.Conn.Info(p.Now).Timeouts), (e.lostBytes+e.peer.lostBytes)/segment
	if e.Config.SACK == conn.Disabled {
		lost *= 2 // the loss of a retransmission is detected by a timeout only
	}
	if n > lost+e.peer.held.count+spareTimeouts {
		return fmt.Errorf("%s: %d timeouts, where %d segments were lost and %d ACKs held", e.Name, n, lost, e.peer.held.count)
	}
	return nil
}

// waitReason returns the reason for which an end may make no progress, or "".
func (p *Pair) waitReason(e *End, i *conn.Info) string {
	switch {
	case i.InFlight == 0 && i.Unsent == 0:
		return "nothing to send"
	case e.peer.left:
		return "the peer's application has closed"
	case e.peer.unread(p.Now) > 0:
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
