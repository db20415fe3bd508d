package conn

import (
	"minitcp/conn/buffer"
	"minitcp/conn/seq"
	"minitcp/conn/wire"
)

// duplicated records that [start, end) has arrived a second time, with the given codepoint. With SACK, the next ACK
// reports it.
func (c *Conn) duplicated(start, end seq.Offset, e wire.ECN) {
	start = max(start, 1) // data begins at offset 1
	if start >= end {
		return
	}
	if c.sack {
		c.ack.duplicate = buffer.Range{Start: start, End: end}
	}
	if c.accurate != nil {
		c.accurate.Repeated(uint32(start), e)
	}
}

// sackBlocks adds the SACK blocks: the duplicate range, then the data out of order, with the range that has changed
// last first (RFC 2018 4, RFC 2883 4).
func (c *Conn) sackBlocks(o *wire.Options) {
	ranges := c.rcv.buf.OutOfOrder()
	room := uint8(4)
	if o.HasTimestamps {
		room = 3
	}
	if d := c.ack.duplicate; d.End > 0 {
		c.sackBlock(o, d) // beyond the cumulative ACK, the block that contains it comes next, as it has changed last
	}
	if len(ranges) == 0 {
		return
	}
	for _, start := range c.active.recent {
		if o.SACKCount == room {
			return
		}
		if r := ranges.Holding(start); start != 0 && r != (buffer.Range{}) {
			c.sackBlock(o, r)
		}
	}
}

func (c *Conn) sackBlock(o *wire.Options, r buffer.Range) {
	o.SACK[o.SACKCount] = wire.SACKBlock{Left: seq.Wire(c.rcv.irs, r.Start), Right: seq.Wire(c.rcv.irs, r.End)}
	o.SACKCount++
}
