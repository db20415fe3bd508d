package conntest

import (
	"bytes"
	"fmt"

	"minitcp/conn"
	"minitcp/conn/seq"
)

// twice is what an end has received more than once.
type twice struct {
	has []byte // by octet: 1 when it has come
	// again is octets that came once more; neither the network's own copies nor probes are counted.
	again int
}

// needless returns an error if e has received more again than the link is an excuse for: as much as was lost on it, in
// either direction, which stands for what is sent again when an acknowledgment is lost or late; and a little, for timeouts
// that could not know better. It excuses more where packets overtake each other by more than the reordering window is ever
// long; where there is no SACK, what makes three duplicate ACKs; and without timestamps, queues that become longer than the
// shortest timeout before a round trip can be measured. Where a link loses periodically, the excuse is only the timeouts, and
// the peer has sent no more again than was lost.
func (e *End) needless(l *Link) error {
	segment := e.Open.MTU - e.Open.IPHeader - 40
	allowed := 12*segment + e.lost + e.peer.lost
	switch {
	case l.Box.SACK > 0, l.Box.ICMP > 0:
		return nil // a lie about what has arrived, or about the path, costs what it costs
	case l.Box.Strip > 0, len(l.Box.Shrinks) > 0:
		allowed += len(e.Received) + 12*segment
	case l.Jitter > 0, e.Config.Timestamps == conn.Disabled && l.Rate > 0 && l.Queue > l.Rate/5:
		allowed += len(e.Received) + 12*segment // it may be the same one again and again
	case l.Periodic.Of > 0: // nothing is reordered, and no acknowledgment is lost
		allowed = 12 * segment
		if resent := int(e.peer.Conn.Info(0).Resent); resent > e.peer.lost+allowed {
			return fmt.Errorf("%s sent %d bytes again, where %d were lost", e.peer.Name, resent, e.peer.lost)
		}
	case len(l.Changes) > 0, e.Config.SACK == conn.Disabled && (l.Reordering > 0 || l.Duplication > 0):
		allowed += len(e.Received) / 3
	case l.Reordering > 0 && l.Cut:
		allowed += len(e.Received) / 8
	case l.Reordering > 0: // of whole superframes
		allowed += len(e.Received) / 4
	}
	if e.twice.again > allowed {
		return fmt.Errorf("%s received %d octets of %d again, where %d and %d were lost", e.Name, e.twice.again, len(e.Received), e.lost, e.peer.lost)
	}
	return nil
}

// took notes that a packet has come, and what was made of it.
func (e *End) took(k *packet, v conn.Verdict) {
	n := len(k.seg.Data)
	if n == 0 || k.twin || !e.Monitor.irsKnown {
		return
	}
	switch k.note {
	case conn.NoteWindowProbe, conn.NoteTailProbe, conn.NoteTailRetransmission:
		return // they are sent to be answered
	}
	switch v {
	case conn.VerdictAccepted, conn.VerdictOutOfOrder, conn.VerdictDuplicate:
	default:
		return
	}
	t := &e.twice
	at := seq.Unwrap(e.Monitor.irs, e.Monitor.Ack, k.seg.TCP.Seq) - 1
	from, to := max(at, 0), min(at+seq.Offset(n), e.Monitor.Edge-1)
	for len(t.has) < int(to) {
		t.has = append(t.has, make([]byte, 1<<20)...)
	}
	if from < to {
		has := t.has[from:to]
		t.again += bytes.Count(has, yes[:1])
		for len(has) > 0 {
			has = has[copy(has, yes):]
		}
	}
}

// yes is octets that have come.
var yes = bytes.Repeat([]byte{1}, 1<<16)
