package ecn

// attempts is the knowledge about the path to a host from the connections whose SYN has been answered only without its
// request for ECN, in a row. After two of them, SYNs to the host request nothing. A middlebox then drops SYNs with the
// flags, whereas a loss for another reason seldom strikes two connections like that (RFC 9768 3.1.4.1).
type attempts uint8

const (
	noneFailed  attempts = iota
	oneFailed            // the last attempt
	twoFailed            // the last two, of which this connection is the second
	blocked              // two, so the SYN of this connection requests nothing
	hasPassed            // news: this one has passed after a failed one
	hasFailed            // news: this one
	failedAgain          // news: this one and the last
)

// maxFailed is the number of failed attempts after which ECN is not requested.
const maxFailed = 2

// attemptsShift is the place of the attempts in an arrival.
const attemptsShift = 5

func (h *Handshake) attempts() attempts { return attempts(h.arrived >> attemptsShift) }

func (h *Handshake) setAttempts(a attempts) {
	h.arrived = h.arrived&(1<<attemptsShift-1) | arrival(a)<<attemptsShift
}

// After begins the Handshake of a connection to a host after a number of failed attempts.
func (h *Handshake) After(failed uint8) {
	h.setAttempts([...]attempts{noneFailed, oneFailed, blocked}[min(failed, maxFailed)])
}

// judge takes the reply to the SYNs of a client. The attempt has failed if SYNs that request ECN have been lost, and
// the SYN without a request has got a reply without ECN. A refusal of the request proves that the SYN has arrived.
func (h *Handshake) judge() {
	before := h.attempts()
	switch {
	case h.sent&(classic|accurate) == 0:
	case h.sent&h.received&plain == 0 && before != noneFailed:
		h.setAttempts(hasPassed)
	case h.sent&h.received&plain != 0 && before == noneFailed:
		h.setAttempts(hasFailed)
	case h.sent&h.received&plain != 0:
		h.setAttempts(failedAgain)
	}
}

// News reports whether the number of failed attempts has changed since Report.
func (h *Handshake) News() bool { return h.attempts() >= hasPassed }

// Report returns the number of failed attempts in a row, and whether the connection has failed since the last Report.
// If its SYN has requested nothing, it counts one failure as forgotten: a later connection that learns from this one
// tries again.
func (h *Handshake) Report() (failed uint8, again bool) {
	switch h.attempts() {
	case hasPassed:
		h.setAttempts(noneFailed)
	case oneFailed, blocked:
		return 1, false
	case twoFailed:
		return 2, false
	case hasFailed:
		h.setAttempts(oneFailed)
		return 1, true
	case failedAgain:
		h.setAttempts(twoFailed)
		return 2, true
	}
	return 0, false
}
