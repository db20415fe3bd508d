//go:build linux

package control

import (
	"time"

	"minitcp/conn"
)

// limits are the shares of an interval in which each cause kept a connection from sending more.
type limits struct {
	Application      float64 `json:"application"`       // it has written no more
	CongestionWindow float64 `json:"congestion_window"` // full
	ReceiverWindow   float64 `json:"receiver_window"`   // the peer takes no more
	SendBuffer       float64 `json:"send_buffer"`       // too small for the path: all of it is in flight
	Pacing           float64 `json:"pacing"`            // the next segment waits for its time
}

// limitsOf returns the limits in an interval between two snapshots. The connection measures the times of the receiver's
// window and of the buffer. The other busy time belongs to the cause that holds at the end of the interval. The time
// without data in flight belongs to the application.
func limitsOf(before, after *conn.Info, interval time.Duration) (l limits) {
	if interval <= 0 {
		return l
	}
	window := max(0, after.WindowLimited-before.WindowLimited)
	buffer := max(0, after.BufferLimited-before.BufferLimited)
	busy := max(0, after.Busy-before.Busy-window-buffer)
	share := func(d time.Duration) float64 { return min(1, d.Seconds()/interval.Seconds()) }
	l.ReceiverWindow, l.SendBuffer, l.Application = share(window), share(buffer), share(interval-window-buffer-busy)
	switch {
	case after.Unsent == 0:
		l.Application += share(busy)
	case after.PacingRate > 0 && after.InFlight+int64(after.MSS) <= after.CongestionWindow:
		l.Pacing = share(busy)
	default:
		l.CongestionWindow = share(busy)
	}
	l.Application = max(0, min(1, l.Application))
	return l
}
