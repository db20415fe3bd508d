package conn

import (
	"minitcp/conn/buffer"
	"minitcp/conn/seq"
	"minitcp/conn/wire"
)

// recent is the starts of the early intervals that changed last, most recent first, 0: none.
type recent [4]seq.Offset

// add notes that [r.Start, r.End) now holds what came last, for the order of SACK blocks.
func (last *recent) add(r buffer.Range) {
	// Forget entries the range has swallowed, then put it in front.
	kept := recent{r.Start}
	n := 1
	for _, o := range last {
		if o != 0 && (o < r.Start || o >= r.End) && n < len(kept) {
			kept[n] = o
			n++
		}
	}
	*last = kept
}

// duplicated notes that [start, end) has come again.
func (c *Conn) duplicated(start, end seq.Offset) {
	start = max(start, 1) // nothing comes before the first octet
	if c.sack && start < end {
		c.ack.duplicate = buffer.Range{Start: start, End: end}
	}
}

// sackBlocks describes what came twice, then the data out of order: the range that changed last first, then those before it
// (RFC 2018 4, RFC 2883 4).
func (c *Conn) sackBlocks(o *wire.Options) {
	ranges := c.rcv.buf.OutOfOrder()
	room := uint8(4)
	if o.HasTimestamps {
		room = 3
	}
	if d := c.ack.duplicate; d.End > 0 {
		c.sackBlock(o, d) // above the cumulative ACK, the block that holds it comes next: it changed last
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
