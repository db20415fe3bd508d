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

// within returns limit, or scarceBuffer if that is less and memory is scarce.
func (c *Conn) within(limit int) int {
	if limit > scarceBuffer && c.cfg.Pressure.Level() >= buffer.Scarce {
		return scarceBuffer
	}
	return limit
}

// mayKeep reports whether there is memory for n bytes at the given position. Data out of order is dropped while memory
// is scarce, or while such data of this connection takes more than twice its window, and the peer retransmits it. Data
// in order fits the advertised window. It is kept until memory is exhausted, and after that up to the 64 KiB that every
// connection may hold, so that each makes progress.
//
// Deviation: RFC 2018 8 requires a SACK block for the newest segment even if its data is dropped. None is sent here.
// The sender would take the data for delivered, and retransmit it only after a timeout.
func (c *Conn) mayKeep(at seq.Offset, n int) bool {
	b, level := &c.rcv.buf, c.cfg.Pressure.Level()
	if at > b.Next() && b.OutOfOrderMemory() > 2*int(c.rcv.wnd.Edge-b.Next())+scarceBuffer {
		return false
	}
	if level < buffer.Scarce {
		return true
	}
	return at <= b.Next() && (b.Readable()+n <= scarceBuffer || b.Readable() == 0 || level < buffer.Exhausted)
}
