package conn

import "minitcp/conn/seq"

// receiveBuffer holds data that arrived: the bytes from start to next are in order and unread, those in early are beyond a gap.
// They are in span, except for adopted data and for small pieces of early data.
type receiveBuffer struct {
	span    span
	adopted *adopted   // nil until something is
	start   seq.Offset // first octet the application has not read
	next    seq.Offset // first octet that has not arrived
	early   *earlyData // nil until there is some
}

// readable is the number of octets ready for the application.
func (b *receiveBuffer) readable() int { return int(b.next - b.start) }

// arrived is one past the highest octet that has arrived.
func (b *receiveBuffer) arrived() seq.Offset {
	if ahead := b.ahead(); len(ahead) > 0 {
		return ahead[len(ahead)-1].end
	}
	return b.next
}

// insert stores p at o, where o+len(p) > next. It returns the range of early data that p is now in, empty when p was in
// order, or false if p was not stored.
func (b *receiveBuffer) insert(pages Pages, o seq.Offset, p []byte) (early interval, ok bool) {
	if o < b.next {
		p = p[b.next-o:]
		o = b.next
	}
	switch {
	case o > b.next:
		return b.insertEarly(pages, o, p)
	case len(b.ahead()) > 0:
		b.fill(pages, p)
	default:
		b.span.write(pages, o, p, 0)
		b.next = o + seq.Offset(len(p))
	}
	return interval{}, true
}

// adopt keeps p, which is what comes next, in the memory it is in, and reports whether it does: not while there is early
// data, some of which may be the same.
func (b *receiveBuffer) adopt(o seq.Offset, p []byte, loan Loan) bool {
	if o != b.next || len(b.ahead()) > 0 {
		return false
	}
	if b.adopted == nil {
		b.adopted = new(adopted)
	}
	b.adopted.push(stretch{o, p, loan})
	b.next += seq.Offset(len(p))
	return true
}

// read moves octets to p and gives back the memory that is done with.
func (b *receiveBuffer) read(pages Pages, p []byte) (n int) {
	for n < len(p) && b.readable() > 0 {
		var m int
		if s := b.adopted.first(); s != nil && s.start <= b.start {
			m = copy(p[n:], s.data[b.start-s.start:])
		} else {
			m = min(len(p)-n, b.readable())
			if s != nil {
				m = min(m, int(s.start-b.start))
			}
			b.span.read(b.start, p[n:n+m])
		}
		b.skip(pages, m)
		n += m
	}
	return n
}

// take is what comes next if it was adopted, with the loan, which from now on is the caller's; nil if it was not.
func (b *receiveBuffer) take(pages Pages) ([]byte, Loan) {
	s := b.adopted.first()
	if s == nil || s.start > b.start {
		return nil, nil
	}
	data, loan := s.data[b.start-s.start:], s.loan
	b.adopted.pop()
	b.skip(pages, len(data))
	return data, loan
}

// skip forgets the first n readable octets.
func (b *receiveBuffer) skip(pages Pages, n int) {
	b.start += seq.Offset(n)
	b.adopted.release(b.start)
	if b.start == b.next && len(b.ahead()) == 0 {
		b.span.releaseAll(pages)
		return
	}
	b.span.release(pages, b.start)
}

// discard forgets everything that has arrived.
func (b *receiveBuffer) discard(pages Pages) {
	b.start = b.next
	b.adopted.release(b.next)
	b.shed(pages)
}
