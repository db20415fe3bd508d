package stack

import (
	"time"

	"minitcp/conn"
)

// Frame is a frame that arrived or left, as the device has it: for captures.
type Frame struct {
	Time     time.Duration // since the stack was made
	Outgoing bool          // sent, not received
	// Parts are, one after the other, the virtio_net_hdr and the IP packet. A packet may be a superframe, and its TCP
	// checksum may have been left to the device; the header says so.
	Parts [][]byte
	// State is this side's state of the connection it belongs to: before an arriving frame is looked at, and when a
	// leaving one is sent. CLOSED: there is no connection.
	State conn.State
}

// tap reports the frame at hand, once, before anything is sent in answer. E, whose mu is held, is its connection; nil:
// it has none.
func (q *queue) tap(now conn.Time, e *entry) {
	s := q.stack
	if s.cfg.Tap == nil || q.tapped {
		return
	}
	q.tapped = true
	w := q.writer
	w.parts = append(w.parts[:0], q.frame)
	w.frame = Frame{Time: time.Duration(now), Parts: w.parts}
	if e != nil {
		w.frame.State = e.state()
	}
	s.cfg.Tap(&w.frame)
}

// tapOut reports the frame in w.parts, which has been handed to the device.
func (s *Stack) tapOut(w *writer, state conn.State) {
	if s.cfg.Tap == nil {
		return
	}
	w.frame = Frame{Time: time.Duration(s.clock.now()), Outgoing: true, Parts: w.parts, State: state}
	s.cfg.Tap(&w.frame)
}
