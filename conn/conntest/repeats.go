package conntest

import (
	"bytes"
	"fmt"

	"minitcp/conn"
	"minitcp/conn/seq"
)

// repeats counts the bytes that an end has received more than once.
type repeats struct {
	seen []byte // 1 for each byte that has arrived
	// count is the number of repeated bytes. The network's own copies and probes are not counted.
	count int
}

// checkRepeats returns an error if e has received more repeated bytes than the link explains: the bytes lost in both
// directions, as a lost or late ACK causes retransmissions too, and twelve segments for spurious timeouts. More is
// allowed if packets are reordered by more than the maximum reordering window; without SACK, as a timeout retransmits
// all data in flight, and reordering causes three duplicate ACKs; and if without timestamps a queue exceeds the minimum
// RTO before an RTT is measured. With periodic loss only the timeouts are allowed, and the peer must not have
// retransmitted more than was lost.
func (e *End) checkRepeats(l *Link) error {
	segment := e.Open.MTU - e.Open.IPHeader - 40
	allowed := 12*segment + e.lostBytes + e.peer.lostBytes
	switch {
	case l.Box.SACK > 0, l.Box.ICMP > 0, l.Box.Blind > 0:
		return nil // false SACK blocks, ICMP errors and the duplicate ACKs in reply to blind segments cause retransmissions
	case l.Box.Strip > 0, len(l.Box.Shrinks) > 0:
		allowed += len(e.Received) + 12*segment
	case l.Jitter > 0 && e.Config.Timestamps == conn.Disabled:
		// Each segment may be repeated once in a reordering window, which grows to the mean round trip, until the longest
		// round trip has passed; and one may be repeated many times.
		longest, mean := 2*(l.Delay+l.Jitter), 2*l.Delay+l.Jitter
		allowed += int(int64(len(e.Received))*int64(longest)/int64(mean)) + 12*segment
	case l.Jitter > 0, e.Config.Timestamps == conn.Disabled && l.Rate > 0 && l.Queue > l.Rate/5:
		allowed += len(e.Received) + 12*segment // one segment may be repeated many times
	case l.Periodic.Of > 0: // no reordering and no lost ACKs
		allowed = 12 * segment
		if resent := int(e.peer.Conn.Info(0).Resent); resent > e.peer.lostBytes+allowed {
			return fmt.Errorf("%s retransmitted %d bytes, %d were lost", e.peer.Name, resent, e.peer.lostBytes)
		}
	case len(l.Changes) > 0, e.Config.SACK == conn.Disabled:
		allowed += len(e.Received) / 3
	case l.Reordering > 0 && l.Cut:
		allowed += len(e.Received) / 8
	case l.Reordering > 0: // of whole GSO packets
		allowed += len(e.Received) / 4
	}
	if e.repeats.count > allowed {
		return fmt.Errorf("%s received %d of %d bytes more than once, %d and %d were lost", e.Name, e.repeats.count, len(e.Received), e.lostBytes, e.peer.lostBytes)
	}
	return nil
}

// countRepeats records the data of a packet that e has received with the given verdict.
func (e *End) countRepeats(k *packet, v conn.Verdict) {
	n := len(k.seg.Data)
	if n == 0 || k.duplicated || !e.Monitor.irsKnown {
		return
	}
	switch k.note {
	case conn.NoteWindowProbe, conn.NoteTailProbe, conn.NoteTailRetransmission:
		return // probes repeat data on purpose
	}
	switch v {
	case conn.VerdictAccepted, conn.VerdictOutOfOrder, conn.VerdictDuplicate:
	default:
		return
	}
	t := &e.repeats
	at := seq.Unwrap(e.Monitor.irs, e.Monitor.Ack, k.seg.TCP.Seq) - 1
	from, to := max(at, 0), min(at+seq.Offset(n), e.Monitor.Edge-1)
	if from < to {
		if missing := int(to) - len(t.seen); missing > 0 {
			t.seen = append(t.seen, make([]byte, max(missing, len(e.peer.ToSend)-len(t.seen)))...)
		}
		has := t.seen[from:to]
		t.count += bytes.Count(has, ones[:1])
		for len(has) > 0 {
			has = has[copy(has, ones):]
		}
	}
}

// ones marks bytes that have arrived.
var ones = bytes.Repeat([]byte{1}, 1<<16)
