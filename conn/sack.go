package conn

import (
	"minitcp/conn/buffer"
	"minitcp/conn/scoreboard"
	"minitcp/conn/seq"
)

// takeSACK processes the SACK blocks of an ACK (RFC 2018 5). Blocks of data that was never sent are ignored, and
// recorded in falseSACK. A first block of data that had arrived before is a D-SACK (RFC 2883 4).
func (c *Conn) takeSACK(s *Segment, ack seq.Offset, a *arrival) {
	o := &s.TCP.Options
	una := max(ack, c.snd.una)
	var first buffer.Range
	for i := range int(o.SACKCount) {
		block := buffer.Range{
			Start: seq.Unwrap(c.snd.iss, una, o.SACK[i].Left),
			End:   seq.Unwrap(c.snd.iss, una, o.SACK[i].Right),
		}
		if block.Start >= block.End || block.End > c.snd.max || block.Start < 1 {
			c.falseSACK = true
			continue
		}
		if i == 0 {
			first = block
			if block.End <= una {
				c.takeDSACK(block, a)
				continue
			}
		}
		if i == 1 && first.Size() > 0 && block.Start <= first.Start && first.End <= block.End {
			c.takeDSACK(first, a)
		}
		if start, end := max(block.Start, una), min(block.End, c.snd.nxt); start < end && !c.active.sent.Empty() {
			c.active.sent.SACK(start, end, &a.Delivered)
		}
	}
}

// takeDSACK processes a report that the peer has received the block twice.
func (c *Conn) takeDSACK(block buffer.Range, a *arrival) {
	a.duplicated += block.Size()
	c.stats.Duplicates++
	if c.active.undo.Contains(block.Start, block.End) { // otherwise the network has duplicated it
		a.spurious += block.Size()
	}
	if c.active.rack.CountDSACK(c.snd.una, c.snd.nxt) {
		c.reordering.Widen()
	}
}

// renege marks all SACKed segments lost: the peer has discarded them, which it may (RFC 2018 8).
func (c *Conn) renege(now Time) {
	for i := range c.active.sent.Len() {
		if r := c.active.sent.At(i); r.State() == scoreboard.SACKed {
			c.lose(now, r)
		}
	}
}
