package conn

import "minitcp/conn/names"

// Verdict is the result of Receive for one segment. It serves counters, traces and tests.
type Verdict uint8

const (
	// VerdictAccepted means that the segment was in order and accepted.
	VerdictAccepted Verdict = iota
	// VerdictOutOfOrder means that the segment was inside the window after a gap, and is stored (SHLD-31).
	VerdictOutOfOrder
	// VerdictDuplicate means that all of the segment had arrived before.
	VerdictDuplicate
	// VerdictOutOfWindow means that the segment was outside the receive window. An ACK is the reply.
	VerdictOutOfWindow
	// VerdictOldTimestamp means that PAWS refused the segment (RFC 7323 5).
	VerdictOldTimestamp
	// VerdictChallenged means that a SYN, RST or ACK may be forged. A challenge ACK is the reply (RFC 5961).
	VerdictChallenged
	// VerdictBadACK means that the segment had no ACK, or one of data that was never sent.
	VerdictBadACK
	// VerdictReset means that an acceptable RST has ended the connection.
	VerdictReset
	// VerdictAfterClose means that data arrived after the application had closed the connection, which was reset (SHLD-3).
	VerdictAfterClose
	// VerdictIgnored means that the segment has no effect in this state.
	VerdictIgnored
	// VerdictReopen means that a SYN may begin a new incarnation of a connection in TIME-WAIT (RFC 6191).
	VerdictReopen
	// VerdictNoMemory means that data inside the window was dropped for lack of memory. The peer retransmits it.
	VerdictNoMemory
)

var verdictNames = [...]string{
	VerdictAccepted:     "accepted",
	VerdictOutOfOrder:   "out-of-order",
	VerdictDuplicate:    "duplicate",
	VerdictOutOfWindow:  "out-of-window",
	VerdictOldTimestamp: "old-timestamp",
	VerdictChallenged:   "challenged",
	VerdictBadACK:       "bad-ack",
	VerdictReset:        "reset",
	VerdictAfterClose:   "after-close",
	VerdictIgnored:      "ignored",
	VerdictReopen:       "reopen",
	VerdictNoMemory:     "no-memory",
}

// Verdicts is the number of verdicts, Verdict(0) to Verdict(Verdicts-1).
const Verdicts = len(verdictNames)

// Name returns a stable name for counters, such as "out-of-order".
func (v Verdict) Name() string { return names.Of(verdictNames[:], v) }

// String returns the name with spaces.
func (v Verdict) String() string {
	b := []byte(v.Name())
	for i := range b {
		if b[i] == '-' {
			b[i] = ' '
		}
	}
	return string(b)
}
