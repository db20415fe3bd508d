package stack

import (
	"minitcp/conn"
	"minitcp/stack/internal/frame"
)

// frameLimits returns the values of [frame.Limit] for a device.
func frameLimits(d Device) (usual, big int) {
	if !offloads(d) {
		return 0, 0
	}
	usual, big = frame.Superframe, frame.Superframe
	if b, ok := d.(BigFramer); ok {
		big += max(0, b.MaxFrame()-MaxFrame)
	}
	return usual, big
}

// frameLimitOf returns the limit in bytes of data for frames of e's connection. An [Observer] gets whole IP packets.
func (s *Stack) frameLimitOf(now conn.Time, e *entry) int {
	if e.near && e.Key.Remote.Is4() && s.frameLimit.AllowsBig(now) && !s.observers.frame.Any() {
		return s.frameLimit.Big
	}
	return s.frameLimit.Usual
}
