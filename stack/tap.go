package stack

import (
	"time"

	"minitcp/conn"
)

// Frame is a frame that has arrived or left, in the device's format.
type Frame struct {
	Time     time.Duration // since the stack was made
	Outgoing bool          // false for a frame that has arrived
	// Parts are the virtio_net_hdr and the IP packet, in pieces. The packet may be a superframe. If the flags in the
	// header have VIRTIO_NET_HDR_F_NEEDS_CSUM, its checksum is left to the device.
	Parts [][]byte
	// State is the local state of the connection of the frame: before the frame is handled if it arrived, and when it is
	// sent if it leaves. It is CLOSED if there is no connection.
	State conn.State
}

// tap reports the frame at hand, once, before any answer to it is sent. E, whose mu is held, is its connection, nil if
// it has none.
func (q *queue) tap(now conn.Time, e *entry) {
	s := q.stack
	if !s.observers.frame.Any() || q.tapped {
		return
	}
	q.tapped = true
	w := q.writer
	w.Parts = append(w.Parts[:0], q.frame)
	w.taken = Frame{Time: time.Duration(now), Parts: w.Parts}
	if e != nil {
		w.taken.State = e.state()
	}
	s.observers.frame.Call(&w.taken)
}

// tapOut reports the frame in w.Parts, which the device has taken.
func (s *Stack) tapOut(w *writer, state conn.State) {
	if !s.observers.frame.Any() {
		return
	}
	w.taken = Frame{Time: time.Duration(s.clock.Now()), Outgoing: true, Parts: w.Parts, State: state}
	s.observers.frame.Call(&w.taken)
}
