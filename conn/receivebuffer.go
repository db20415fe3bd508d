package conn

import "minitcp/conn/seq"

// maxHoles bounds the reassembly queue: a peer that sends every other octet must not make each arrival slow.
// A segment that would exceed it is dropped, and sent again by the peer.
const maxHoles = 256

// receiveBuffer holds what arrived: the octets from start to next are in order and unread, those in ahead came early.
// They are in span, but for what has been adopted.
type receiveBuffer struct {
	span    span
	adopted *adopted   // nil until something is
	start   seq.Offset // first octet the application has not read
	next    seq.Offset // first octet that has not arrived
	ahead   rangeset   // what arrived beyond next
}

// readable is the number of octets ready for the application.
func (b *receiveBuffer) readable() int { return int(b.next - b.start) }

// arrived is one past the highest octet that has arrived.
func (b *receiveBuffer) arrived() seq.Offset {
	if n := len(b.ahead); n > 0 {
		return b.ahead[n-1].end
	}
	return b.next
}

// insert stores p at o, where o+len(p) > next. It returns the interval of early data p became part of, empty when p was in order.
func (b *receiveBuffer) insert(pages Pages, o seq.Offset, p []byte) (early interval, ok bool) {
	if o < b.next {
		p = p[b.next-o:]
		o = b.next
	}
	end := o + seq.Offset(len(p))
	if o > b.next {
		if len(b.ahead) >= maxHoles && !b.ahead.contains(o, end) {
			return interval{}, false
		}
		b.span.write(pages, o, p)
		return b.ahead.add(o, end), true
	}
	b.span.write(pages, o, p)
	b.next = b.ahead.takeFrom(end)
	return interval{}, true
}

// adopt keeps p, which is what comes next, in the memory it is in, and reports whether it does: not while there is early
// data, some of which may be the same.
func (b *receiveBuffer) adopt(o seq.Offset, p []byte, loan Loan) bool {
	if o != b.next || len(b.ahead) > 0 {
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
	if b.start == b.next && len(b.ahead) == 0 {
		b.span.releaseAll(pages)
		return
	}
	b.span.release(pages, b.start)
}

// discard forgets everything that has arrived.
func (b *receiveBuffer) discard(pages Pages) {
	b.start = b.next
	b.ahead = nil
	b.adopted.release(b.next)
	b.span.releaseAll(pages)
}
