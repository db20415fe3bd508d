// Package cc holds congestion control: how many octets a connection may have in flight.
//
// A [Controller] is told what happened and says how large the window is. It does not decide what is lost, what to send
// again or when to send; those are questions of package conn. It knows no clock.
package cc

// Controller decides the congestion window of one connection (RFC 5681). Sizes are in octets.
type Controller interface {
	// Window is how many octets may be in flight. At least one segment.
	Window() int64
	// SlowStartThreshold is the window at which slow start ends.
	SlowStartThreshold() int64
	// OnAck: new data was acknowledged outside of loss recovery.
	OnAck(Ack)
	// OnLoss: a segment was found lost while ACKs keep coming; recovery begins.
	OnLoss(Loss)
	// OnRecovered: everything sent before that loss is acknowledged.
	OnRecovered(inFlight int64)
	// OnTimeout: the retransmission timer ran out.
	OnTimeout(Loss)
	// SetMSS: the size of a full segment is now mss.
	SetMSS(mss int)
}

// Ack describes an ACK that advanced SND.UNA.
type Ack struct {
	// Acked is how many octets it acknowledged.
	Acked int64
	// Limited says that the window, not the application or the receiver, had been holding the sender back. A window
	// nobody filled proves nothing about the path and must not grow.
	Limited bool
}

// Loss describes the moment a loss was noticed.
type Loss struct {
	// InFlight is how many octets were sent and not acknowledged.
	InFlight int64
	// Again says that the same segment has been lost before.
	Again bool
}

// maxWindow is far above any useful window and far below overflow.
const maxWindow = 1 << 40

// InitialWindow is ten segments, or 14600 octets when that is less but at least two segments (RFC 6928 2).
func InitialWindow(mss int) int64 {
	return min(10*int64(mss), max(2*int64(mss), 14600))
}
