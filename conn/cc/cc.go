// Package cc holds congestion control: how many octets a connection may have in flight, and how fast they may leave.
//
// A [Controller] is told what happened and says how large the window is. It does not decide what is lost, what to send
// again or when to send; those are questions of package conn. It knows no clock: times are since an epoch of the
// driver's, and come with each event.
package cc

import "time"

// Controller decides the congestion window of one connection (RFC 5681), and may decide the rate. Sizes are in octets.
type Controller interface {
	// Window is how many octets may be in flight. At least one segment.
	Window() int64
	// SlowStartThreshold is the window at which slow start ends.
	SlowStartThreshold() int64
	// PacingRate is how fast may be sent; 0: however fast fills the window in a round trip.
	PacingRate() Rate
	// Models reports whether the controller goes by a model of the path. Then Window holds in loss recovery too, where it
	// is otherwise brought down in proportion to what arrives (RFC 9937), and OnAck tells of everything that arrives.
	Models() bool

	// OnAck: data was delivered, and no episode of fast recovery is under way, unless the controller models.
	OnAck(Ack)
	// OnLost: something that was sent is taken for lost. It comes before the OnLoss or OnTimeout it may lead to.
	OnLost(Lost)
	// OnLoss: congestion was noticed while ACKs keep coming; an episode begins, but for a mark, which is one by itself.
	OnLoss(Loss)
	// OnTimeout: the retransmission timer ran out.
	OnTimeout(Loss)
	// OnRecovered: the episode that an OnLoss or OnTimeout began is over.
	OnRecovered()
	// OnSpurious: what the last OnLoss or OnTimeout told has turned out to be wrong.
	OnSpurious()
	// OnRestart: the application had left the path empty, and now something is sent.
	OnRestart(now time.Duration)
	// OnIdle: nothing has been sent for longer than a retransmission timeout, and now something is. What the window was
	// says nothing about the path any more (RFC 5681 4.1).
	OnIdle()
	// Resume: of a connection that had been idle for so long that its controller was let go, this is the new one. The
	// threshold is the last one's, after its OnIdle.
	Resume(threshold int64)
	// SetMSS: the size of a full segment is now mss.
	SetMSS(mss int)
}

// Ack describes an ACK that said something was delivered.
type Ack struct {
	// Now is when it arrived.
	Now time.Duration
	// Acked is how many octets it was the first to acknowledge, in order or by SACK, and Delivered is how many have been
	// since the connection began.
	Acked, Delivered int64
	// InFlight is how many octets are on their way now.
	InFlight int64
	// Limited says that the window, not the application or the receiver, had been holding the sender back. A window
	// nobody filled proves nothing about the path and must not grow (RFC 7661). In slow start a window half full will do.
	Limited bool
	// Full says that it was really full at some time in this round trip or the last.
	Full bool
	// Paced says that what is sent is spread over the round trip.
	Paced bool
	// RTT is the round trip it measured; 0: none.
	RTT time.Duration
	// SRTT is the smoothed round-trip time; 0: nothing was measured yet.
	SRTT time.Duration
	// Round says that something sent after the last Ack with Round is acknowledged now: a round trip has passed.
	Round bool
	// Sample is what it measured of the path.
	Sample Sample
}

// Lost describes something that was sent and is taken for lost.
type Lost struct {
	// Now is when it was found.
	Now time.Duration
	// Size is how many octets it is.
	Size int64
	// Delivered is how many octets have been since the connection began.
	Delivered int64
	// InFlight was in flight when it had been sent, itself included. Since then so many octets were Lost, with it.
	InFlight, Lost int64
	// Limited says that the application had left the path empty before it was sent.
	Limited bool
}

// Loss describes the moment congestion was noticed.
type Loss struct {
	// Now is when that was.
	Now time.Duration
	// InFlight is how many octets were sent and not acknowledged: FlightSize of RFC 5681.
	InFlight int64
	// Pipe is how many of them are on their way still, as far as is known.
	Pipe int64
	// Full says that the window was full at some time in the last two round trips. One that was not had proved nothing
	// about the path, and its size is no measure of what it bears (RFC 7661 4.4).
	Full bool
	// Again says that the window has been reduced for this already: the same segment was lost before.
	Again bool
	// ECN says that a router marked a packet instead of dropping it (RFC 3168). That comes once in a round trip.
	ECN bool
}

// lossBased is what controllers that know a window and nothing else have in common.
type lossBased struct{}

// PacingRate implements [Controller].
func (lossBased) PacingRate() Rate { return 0 }

// Models implements [Controller].
func (lossBased) Models() bool { return false }

// OnLost implements [Controller]: a window comes down once per episode, however much was lost.
func (lossBased) OnLost(Lost) {}

// OnRecovered implements [Controller]: the window is where the episode was to bring it.
func (lossBased) OnRecovered() {}

// OnRestart implements [Controller]: an ACK clock needs a longer pause to be lost.
func (lossBased) OnRestart(time.Duration) {}

// MaxWindow is the largest window and rate that a controller computes: far above any useful one, far below overflow.
const MaxWindow = 1 << 38

// NoThreshold is the slow start threshold of a connection that has none.
const NoThreshold int64 = MaxWindow

// InitialWindow is ten segments, or 14600 octets when that is less but at least two segments (RFC 6928 2).
func InitialWindow(mss int) int64 {
	return min(10*int64(mss), max(2*int64(mss), 14600))
}
