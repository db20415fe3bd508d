package netstack

import (
	"minitcp/conn"
	"minitcp/conn/conntest"
)

// excuse returns the known fault of gVisor that explains a broken rule, or "". All of them are here. Each is recognized
// by the state of gVisor's end, so that no other failure is excused.
func excuse(p *conntest.Pair, _ error) string {
	from, to := p.A, p.B
	if from.Foreign == nil {
		from, to = to, from
	}
	e := from.Foreign.(*End)
	unacknowledged := from.Sent > len(to.Received) || e.State() == conn.FinWait1 || e.State() == conn.LastAck
	switch {
	case e.endpoint == nil || e.Over():
	case e.Deadline() == conn.Never && unacknowledged:
		return "gVisor has data or a FIN that is not acknowledged, and no timer"
	case e.Deadline() == conn.Never && e.State() == conn.Closing:
		return "gVisor remains in CLOSING, because its FIN was acknowledged by a segment out of order"
	case e.window == 0 && e.Unread() == 0:
		return "gVisor keeps its window closed although its application has read all data"
	case e.stack.Stats().DroppedPackets.Value() > 0 && e.Unread() == 0:
		return "gVisor's buffer is full of data out of order, and it drops the missing data without a reply"
	}
	return ""
}
