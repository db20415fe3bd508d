// Package cc holds congestion control: how many octets a connection may have in flight, and how fast they may leave.
//
// A [Controller] is told what happened and says how large the window is. It does not decide what is lost, what to send
// again or when to send; those are questions of package conn. It knows no clock: times are since an epoch of the
// driver's, and come with each event.
package cc

import "time"

// Controller decides the congestion window of one connection (RFC 5681). Sizes are in octets.
type Controller interface {
	// Window is how many octets may be in flight. At least one segment.
	Window() int64
	// SlowStartThreshold is the window at which slow start ends.
	SlowStartThreshold() int64
	// PacingRate is how fast may be sent; 0: however fast fills the window in a round trip.
	PacingRate() Rate
	// OnAck: data was delivered, and no episode of loss recovery is under way.
	OnAck(Ack)
	// OnLoss: congestion was noticed while ACKs keep coming; an episode begins.
	OnLoss(Loss)
	// OnTimeout: the retransmission timer ran out.
	OnTimeout(Loss)
	// OnSpurious: what the last OnLoss or OnTimeout told has turned out to be wrong.
	OnSpurious()
	// OnIdle: nothing has been sent for longer than a retransmission timeout, and now something is. What the window was
	// says nothing about the path any more (RFC 5681 4.1).
	OnIdle()
	// SetMSS: the size of a full segment is now mss.
	SetMSS(mss int)
}

// Ack describes an ACK that said something was delivered.
type Ack struct {
	// Now is when it arrived.
	Now time.Duration
	// Acked is how many octets it was the first to acknowledge, in order or by SACK.
	Acked int64
	// Limited says that the window, not the application or the receiver, had been holding the sender back. A window
	// nobody filled proves nothing about the path and must not grow (RFC 7661).
	Limited bool
	// RTT is the round trip it measured; 0: none.
	RTT time.Duration
	// SRTT is the smoothed round-trip time; 0: nothing was measured yet.
	SRTT time.Duration
	// Round says that something sent after the last Ack with Round is acknowledged now: a round trip has passed.
	Round bool
}

// Loss describes the moment congestion was noticed.
type Loss struct {
	// Now is when that was.
	Now time.Duration
	// InFlight is how many octets were sent and not acknowledged: FlightSize of RFC 5681.
	InFlight int64
	// Again says that the same segment has been lost before.
	Again bool
	// ECN says that a router marked a packet instead of dropping it (RFC 3168).
	ECN bool
}

// lossBased is what controllers that know a window and nothing else have in common.
type lossBased struct{}

// PacingRate implements [Controller].
func (lossBased) PacingRate() Rate { return 0 }

// maxWindow is far above any useful window and far below overflow.
const maxWindow = 1 << 38

// InitialWindow is ten segments, or 14600 octets when that is less but at least two segments (RFC 6928 2).
func InitialWindow(mss int) int64 {
	return min(10*int64(mss), max(2*int64(mss), 14600))
}
