// Package cc holds congestion control: the number of bytes that a connection may have in flight, and the rate at which
// they may leave.
//
// A [Controller] receives events and returns a window and a rate. Package conn detects losses, and decides which
// segment to send and when. A controller has no clock: each event carries the time since an epoch that the driver has
// chosen.
package cc

import "time"

// Controller decides the congestion window of one connection (RFC 5681), and may decide its rate. Sizes are in bytes.
type Controller interface {
	// Window returns the number of bytes that may be in flight, at least one segment.
	Window() int64
	// SlowStartThreshold returns the window at which slow start ends.
	SlowStartThreshold() int64
	// PacingRate returns the rate at which data may leave. 0 means the rate that fills the window in a round trip.
	PacingRate() Rate
	// ModelBased reports whether the controller is based on a model of the path. If so, Window applies during loss
	// recovery as well, and OnAck is called for every delivery. Otherwise conn reduces the window during recovery in
	// proportion to deliveries (RFC 9937).
	ModelBased() bool

	// OnAck is called when data has been delivered. A controller without a model gets no call during fast recovery.
	OnAck(Ack)
	// OnLost is called for each transmission that is declared lost, before the OnLoss or OnTimeout that it may cause.
	OnLost(Lost)
	// OnLoss is called when congestion is detected while ACKs keep coming. An episode of recovery begins, unless the
	// cause is an ECN mark.
	OnLoss(Loss)
	// OnTimeout is called when the retransmission timer expires.
	OnTimeout(Loss)
	// OnRecovered is called at the end of the episode that an OnLoss or OnTimeout has begun.
	OnRecovered()
	// OnSpurious is called when the cause of the last OnLoss or OnTimeout turns out to be wrong.
	OnSpurious()
	// OnRestart is called before a segment is sent if the path was empty because the application had sent nothing.
	OnRestart(now time.Duration)
	// OnIdle is called before a segment is sent if nothing has been sent for longer than a retransmission timeout. The
	// old window no longer describes the path (RFC 5681 4.1).
	OnIdle()
	// Resume is called on the new controller of a connection whose old one was released while the connection was idle.
	// The threshold is that of the old controller after its OnIdle.
	Resume(threshold int64)
	// SetMSS sets the size of a full segment.
	SetMSS(mss int)
}

// Ack describes an ACK that has delivered data.
type Ack struct {
	// Now is the time of its arrival.
	Now time.Duration
	// Acked is the number of bytes that it is the first to acknowledge, in order or by SACK. Delivered is the number of
	// bytes delivered since the connection began.
	Acked, Delivered int64
	// InFlight is the number of bytes now in flight.
	InFlight int64
	// Limited reports whether the window has limited the sender, not the application or the receiver. A window that was
	// not full gives no information about the path and must not grow (RFC 7661). In slow start, more than half a window in
	// flight at some time since this round trip began is enough.
	Limited bool
	// Full reports whether the window was really full at some time in this round trip or the last.
	Full bool
	// Paced reports whether the sender spreads its segments over the round trip.
	Paced bool
	// RTT is the round-trip time measured with this ACK, 0 if there is none.
	RTT time.Duration
	// SRTT is the smoothed round-trip time, 0 before the first measurement.
	SRTT time.Duration
	// Round reports whether this ACK begins a round trip: it acknowledges data sent after the last Ack with Round.
	Round bool
	// Sample is the measurement of the path.
	Sample Sample
}

// Lost describes a transmission that is declared lost.
type Lost struct {
	// Now is the time of detection.
	Now time.Duration
	// Size is its size in bytes.
	Size int64
	// Delivered is the number of bytes delivered since the connection began.
	Delivered int64
	// InFlight is the number of bytes that were in flight when it was sent, itself included. Lost is the number of bytes
	// declared lost since then, itself included.
	InFlight, Lost int64
	// Limited reports whether the application had left the path empty before it was sent.
	Limited bool
}

// Loss describes the moment at which congestion is detected.
type Loss struct {
	// Now is the time of detection.
	Now time.Duration
	// InFlight is the number of bytes sent and not acknowledged: FlightSize of RFC 5681.
	InFlight int64
	// Pipe is the estimate of the bytes among them that are still on the path.
	Pipe int64
	// Full reports whether the window was full at some time in the last two round trips. The size of a window that was not
	// full is no measure of the path's capacity (RFC 7661 4.4).
	Full bool
	// Again reports whether the window has already been reduced for this loss: the same segment was lost before.
	Again bool
	// ECN reports whether the cause is an ECN mark, not a loss (RFC 3168). There is at most one such event in a round
	// trip.
	ECN bool
}

// lossBased holds the methods that are common to controllers without a model of the path.
type lossBased struct{}

// PacingRate implements [Controller].
func (lossBased) PacingRate() Rate { return 0 }

// ModelBased implements [Controller].
func (lossBased) ModelBased() bool { return false }

// OnLost implements [Controller]. It does nothing: the window is reduced once in an episode, however much is lost.
func (lossBased) OnLost(Lost) {}

// OnRecovered implements [Controller]. It does nothing: the reduction at the beginning of the episode was final.
func (lossBased) OnRecovered() {}

// OnRestart implements [Controller]. It does nothing: the ACK clock survives a short pause.
func (lossBased) OnRestart(time.Duration) {}

// MaxWindow is the largest window and rate that a controller computes, far above any useful one and far below overflow.
const MaxWindow = 1 << 38

// NoThreshold is the slow start threshold of a connection that has none.
const NoThreshold int64 = MaxWindow

// InitialWindow returns ten segments, or 14600 bytes if that is less, but at least two segments (RFC 6928 2).
func InitialWindow(mss int) int64 {
	return min(10*int64(mss), max(2*int64(mss), 14600))
}
