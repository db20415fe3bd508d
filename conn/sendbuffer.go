package conn

import "minitcp/conn/seq"

// sendBuffer holds the octets the application has written and the peer has not acknowledged: what is in flight is the
// retransmission queue, what comes after it is waiting to be sent.
type sendBuffer struct {
	span  span
	start seq.Offset // first octet held
	end   seq.Offset // one past the last
}

func (b *sendBuffer) size() int { return int(b.end - b.start) }

func (b *sendBuffer) append(pages Pages, p []byte) {
	b.span.write(pages, b.end, p, 0)
	b.end += seq.Offset(len(p))
}

// acknowledge lets go of the octets before o.
func (b *sendBuffer) acknowledge(pages Pages, o seq.Offset) {
	b.start = max(b.start, min(o, b.end))
	if b.start == b.end {
		b.span.releaseAll(pages)
		return
	}
	b.span.release(pages, b.start)
}

// discard lets go of everything.
func (b *sendBuffer) discard(pages Pages) {
	b.span.releaseAll(pages)
	b.start = b.end
}
