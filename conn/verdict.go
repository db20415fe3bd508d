package conn

import "minitcp/conn/names"

// Verdict is the result of Receive for one segment. It serves counters, traces and tests.
type Verdict uint8

const (
	// VerdictAccepted: in order and accepted.
	VerdictAccepted Verdict = iota
	// VerdictOutOfOrder: inside the window, after a gap; stored (SHLD-31).
	VerdictOutOfOrder
	// VerdictDuplicate: all of it had arrived before.
	VerdictDuplicate
	// VerdictOutOfWindow: outside the receive window; dropped with an ACK in reply.
	VerdictOutOfWindow
	// VerdictOldTimestamp: refused by PAWS (RFC 7323 5).
	VerdictOldTimestamp
	// VerdictChallenged: a SYN, RST or ACK that may be forged; a challenge ACK is the reply (RFC 5961).
	VerdictChallenged
	// VerdictBadACK: without ACK, or an ACK of data that was never sent.
	VerdictBadACK
	// VerdictReset: an acceptable RST; the connection has ended.
	VerdictReset
	// VerdictAfterClose: data after the application has closed; the connection was reset (SHLD-3).
	VerdictAfterClose
	// VerdictIgnored: no effect in this state.
	VerdictIgnored
	// VerdictReopen: a SYN that may begin a new incarnation of a connection in TIME-WAIT (RFC 6191).
	VerdictReopen
	// VerdictNoMemory: data inside the window, dropped for lack of memory; the peer retransmits it.
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
