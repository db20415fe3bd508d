package conn

import "minitcp/conn/seq"

// takeSACK reads the SACK blocks of an ACK (RFC 2018 5). Blocks of what was never sent are ignored, whoever made them.
// A first block of what had arrived before is a D-SACK (RFC 2883 4).
func (c *Conn) takeSACK(s *Segment, ack seq.Offset, a *arrival) {
	o := &s.TCP.Options
	una := max(ack, c.snd.una)
	var first interval
	for i := range int(o.SACKCount) {
		block := interval{seq.Unwrap(c.snd.iss, una, o.SACK[i].Left), seq.Unwrap(c.snd.iss, una, o.SACK[i].Right)}
		if block.start >= block.end || block.end > c.snd.max || block.start < 1 {
			continue
		}
		if i == 0 {
			first = block
			if block.end <= una {
				c.takeDSACK(block, a)
				continue
			}
		}
		if i == 1 && first.size() > 0 && block.start <= first.start && first.end <= block.end {
			c.takeDSACK(first, a)
		}
		if start, end := max(block.start, una), min(block.end, c.snd.nxt); start < end && !c.sent.empty() {
			c.sent.sack(start, end, a)
		}
	}
}

// takeDSACK learns that the peer has got the block twice.
func (c *Conn) takeDSACK(block interval, a *arrival) {
	a.repeated += block.size()
	c.stats.Duplicates++
	if c.undo.again.contains(block.start, block.end) { // and not a copy the network made
		a.needless += block.size()
	}
	c.rack.duplicated(c.snd.una, c.snd.nxt)
}

// renege takes everything the peer has reported out of order for lost: it has thrown that away, as it may (RFC 2018 8).
func (c *Conn) renege(now Time) {
	for _, r := range c.sent.list[c.sent.head:] {
		c.sent.visits++
		if r.fate == sacked {
			c.lose(now, r)
		}
	}
}
