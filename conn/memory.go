package conn

import (
	"minitcp/conn/buffer"
	"minitcp/conn/seq"
)

// OutOfOrderMemory returns the memory in bytes that data beyond a gap occupies: whole pages, and records.
func (c *Conn) OutOfOrderMemory() int { return c.rcv.buf.OutOfOrderMemory() }

// DiscardOutOfOrder discards all data that has arrived beyond a gap. RFC 9293 3.10.7.4 makes keeping it optional. The
// peer must retransmit it, so SACK blocks report it no longer (RFC 2018 8).
func (c *Conn) DiscardOutOfOrder() {
	if len(c.rcv.buf.OutOfOrder()) == 0 {
		return
	}
	c.rcv.buf.DiscardOutOfOrder(c.cfg.Pool)
	c.active.recent = buffer.Recent{}
	if c.ack.duplicate.End > c.rcv.buf.Next() {
		c.ack.duplicate = buffer.Range{} // the peer would take it for a SACK block (RFC 2883 4)
	}
}

// keepable returns the number of bytes for which there is memory, of n bytes at the given position. The peer
// retransmits the rest.
//
// Data in order fits the advertised window. Windows may permit more in all than there is memory, as most connections
// use little of theirs. While memory is scarce, data is therefore kept up to receiveLimit only, with which each
// connection makes progress. Data out of order is dropped while such data of this connection takes more than twice its
// window, and all of it while memory is exhausted.
//
// Deviation: RFC 2018 8 requires a SACK block for the newest segment even if its data is dropped. None is sent here.
// The sender would take the data for delivered, and retransmit it only after a timeout.
func (c *Conn) keepable(at seq.Offset, n int) int {
	b, level := &c.rcv.buf, c.cfg.Pressure.Level()
	if at > b.Next() {
		held := b.OutOfOrderMemory()
		if level >= buffer.Exhausted || held > 2*int(c.rcv.wnd.Edge-b.Next())+buffer.Moderate {
			return 0
		}
		if level == buffer.Scarce && b.Readable()+held+n > c.receiveLimit() {
			return 0
		}
		return n
	}
	if level < buffer.Scarce {
		return n
	}
	room := c.receiveLimit() - b.Readable()
	if room <= 0 {
		return 0
	}
	return min(n, int(b.Next()-at)+room)
}

// SendState describes the data in the send buffer, for drivers that end connections when memory is scarce.
type SendState struct {
	Stalled       bool   // the peer has let the retransmission timer expire, or a probe has found its window closed
	WindowLimited bool   // the peer's window holds data back
	Held          int    // bytes in the buffer
	Acknowledged  uint64 // bytes that the peer has acknowledged in all
}

// SendWaits reports whether the driver should call SendState: since the last progress, a timer has expired or the
// peer's window has held data back. While data flows freely, it returns false.
func (c *Conn) SendWaits() bool {
	return c.timeouts > 0 || c.rtt.Backoff > 0 || c.active != nil && c.active.waiting.windowLimited
}

// SendState returns the state of the send buffer.
func (c *Conn) SendState() SendState {
	held := c.snd.buf.Size()
	return SendState{
		Stalled:       held > 0 && c.stalled(),
		WindowLimited: held > 0 && c.active.waiting.windowLimited,
		Held:          held,
		Acknowledged:  uint64(max(0, c.snd.buf.Start()-1)),
	}
}

// stalled reports whether the peer lets sent data wait.
func (c *Conn) stalled() bool {
	return c.timeouts > 0 || c.rtt.Backoff > 0 && c.snd.windowClosed() && c.snd.una < c.snd.end()
}

// TimeOut ends the connection as its user timeout does, and sends a RST. RFC 6429 4 permits that for lack of memory,
// also while the peer keeps its window closed and acknowledges probes.
func (c *Conn) TimeOut() {
	if c.state != Closed && c.state != TimeWait {
		c.abort(c.timeoutError())
	}
}
