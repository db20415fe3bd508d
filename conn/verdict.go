package conn

// Verdict says what Receive did with a segment: for counters, traces and tests.
type Verdict uint8

const (
	// VerdictAccepted: in order and taken.
	VerdictAccepted Verdict = iota
	// VerdictOutOfOrder: inside the window, after a gap; queued (SHLD-31).
	VerdictOutOfOrder
	// VerdictDuplicate: everything in it had arrived before.
	VerdictDuplicate
	// VerdictOutOfWindow: outside the receive window; answered with an ACK and dropped.
	VerdictOutOfWindow
	// VerdictOldTimestamp: refused by PAWS (RFC 7323 5).
	VerdictOldTimestamp
	// VerdictChallenged: a SYN, RST or ACK that a blind attacker could have sent; answered with a challenge ACK (RFC 5961).
	VerdictChallenged
	// VerdictBadACK: acknowledges what was never sent, or not at all.
	VerdictBadACK
	// VerdictReset: an acceptable RST; the connection is gone.
	VerdictReset
	// VerdictAfterClose: data for an application that has closed; the connection was reset (SHLD-3).
	VerdictAfterClose
	// VerdictIgnored: nothing to do with it in this state.
	VerdictIgnored
	// VerdictReopen: a SYN that may start a new incarnation of a connection in TIME-WAIT (RFC 6191).
	VerdictReopen
	// VerdictNoMemory: data inside the window for which there is no memory; the peer will send it again.
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

// Verdicts is the number of verdicts: Verdict(0) to Verdict(Verdicts-1).
const Verdicts = len(verdictNames)

// Name is a stable counter name, such as "out-of-order".
func (v Verdict) Name() string { return nameOf(verdictNames[:], v) }

// String is the name with spaces, for people.
func (v Verdict) String() string {
	b := []byte(v.Name())
	for i := range b {
		if b[i] == '-' {
			b[i] = ' '
		}
	}
	return string(b)
}
