package conn

import (
	"minitcp/conn/scoreboard"
	"minitcp/conn/seq"
)

// undo detects whether the last episode of recovery was spurious, since the segments were only late. One of four
// proofs is required: an ACK echoes a timestamp from before the first retransmission (Eifel, RFC 3522); the peer
// acknowledges that retransmission within half of the shortest round trip; the peer reports every retransmission as a
// duplicate (D-SACK, RFC 3708); or, after a timeout, the peer acknowledges data that was in flight before and has not
// been retransmitted (F-RTO, RFC 5682).
type undo struct {
	scoreboard.Episode
	echo   uint32     // echo that has proved an episode spurious, or 0
	undone uint8      // episodes undone before all data up to window is acknowledged, at most maxUndos
	window seq.Offset // SND.MAX at the beginning of the first of these episodes
}

// maxUndos limits the episodes that are undone before all data in flight at the first of them is acknowledged. An undo
// restores all losses, which may be thousands of records. A peer that proves each episode spurious would otherwise make
// every ACK cost that much.
const maxUndos = 32

// beginUndo is called when an episode begins.
func (c *Conn) beginUndo() {
	u := &c.active.undo
	if c.snd.una >= u.window {
		u.undone, u.window = 0, c.snd.max
	}
	u.Reset()
	u.Armed = u.undone < maxUndos
	if c.active.sent.Retransmitted() > 0 {
		u.Note(c.active.sent.RetransmissionTSVal())
	}
}

// proof is the evidence in an ACK that the episode was spurious.
type proof uint8

const (
	noProof proof = iota
	// weakProof proves nothing about the path MTU: since a black hole was suspected, segments are smaller, and the proof
	// may be about two copies of one of these.
	weakProof
	// originalArrived proves that a segment of the size before the episode has arrived.
	originalArrived
)

// spurious returns the proof in an ACK that the episode was spurious.
func (c *Conn) spurious(s *Segment, a *arrival) proof {
	u := &c.active.undo
	if !u.Armed {
		return noProof
	}
	if u.First() == 0 { // all segments marked lost have been acknowledged before they were retransmitted
		if c.active.recovery.phase == fastRecovery && c.active.sent.Lost() == 0 {
			return originalArrived
		}
		return noProof
	}
	duplicated := u.Duplicates(a.spurious)
	switch {
	case a.advanced && c.snd.una > u.First() && a.HasEcho && a.Echo != u.echo && u.Precedes(a.Echo):
		// The ACK is of the first retransmitted segment, and its timestamp is older than any retransmission. An echo is a
		// proof once: a middlebox that removes timestamps makes the peer repeat it.
		u.echo = a.Echo
		return originalArrived
	case a.Early != 0 && a.Early == u.First() && !u.Timeout:
		// The ACK has arrived within half of the shortest RTT after the retransmission. This is a proof on paths that are too
		// short for timestamps of milliseconds. It is half, because smaller segments take less time than those measured
		// (Allman and Paxson, On Estimating End-to-End Network Path Properties, 1999). It is no proof after a timeout: the
		// path may have become shorter, and each segment would need a timeout of its own.
		return originalArrived
	case duplicated:
		return weakProof
	case c.active.recovery.phase == timeoutRecovery && a.FalselyLost && (c.sack && c.snd.una < c.active.recovery.end || c.active.recovery.frto == frtoNewData):
		// The second ACK is a proof. With SACK, so is any ACK below RecoveryPoint, since data that had arrived before the
		// timeout would have been SACKed. Without SACK, the first ACK may be of such data (RFC 5682 2.1, steps 2 and 3).
		if a.LargestFalse > int64(c.fullSize()) {
			return originalArrived
		}
		return weakProof
	}
	return noProof
}

// undoEpisode restores the congestion control from before the episode. The backoff ends with the next RTT sample, which
// is mostly that of the ACK that has proved a timeout spurious (RFC 4015 3.4). Before that, the timeout may be too
// short for the path.
func (c *Conn) undoEpisode(now Time, p proof) {
	u := &c.active.undo
	u.Armed = false
	u.undone++
	if !u.Congested {
		c.active.cc.OnSpurious()
		c.ecn.cwr = false
	}
	c.stats.Spurious++
	if p == originalArrived && c.path.Rise(now) {
		c.active.cc.SetMSS(c.fullSize())
	}
	if !u.Timeout {
		c.reordering.Note() // the segments taken for lost had been overtaken
	}
	if c.active.recovery.phase == noRecovery {
		return
	}
	c.active.sent.RestoreLost()
	c.leaveRecovery()
	if u.Unproven() < duplicateThreshold*int64(c.fullSize()) {
		// So few needless retransmissions cause no fast retransmit, so the next one may be for data sent before them (RFC
		// 5682 2.1, step 3b).
		r := &c.active.recovery
		if u.Congested {
			r.marked = max(r.marked, r.end) // the reduction stands, and is that for all marks up to there
		}
		r.end, r.ignored = c.snd.una-1, c.snd.una-1
	}
	if c.active.sent.SACKed() > 0 {
		// No tail probe is pending. Loss detection runs again after this time even without an ACK, before a timeout.
		c.active.timer.reorder = now.Add(c.reorderWindow())
	}
}
