package conn

import (
	"minitcp/conn/buffer"
)

// OutOfOrderMemory returns the memory in bytes that data beyond a gap keeps in use: whole pages, and records.
func (c *Conn) OutOfOrderMemory() int { return c.rcv.buf.OutOfOrderMemory() }

// Arrived is the number of bytes that have arrived in order.
func (c *Conn) Arrived() uint64 { return c.stats.Received }

// DiscardOutOfOrder discards all data that arrived beyond a gap, which the peer has to send again (RFC 9293 3.10.7.4 leaves it to
// the receiver to keep such data). It is not reported in SACK blocks any more (RFC 2018 8).
func (c *Conn) DiscardOutOfOrder() {
	if len(c.rcv.buf.OutOfOrder()) == 0 {
		return
	}
	c.rcv.buf.DiscardOutOfOrder(c.cfg.Pool)
	c.active.recent = recent{}
	if c.ack.duplicate.End > c.rcv.buf.Next() {
		c.ack.duplicate = buffer.Range{} // without the block that holds it, the peer would take it for a SACK block (RFC 2883 4)
	}
}
