package conn

import "minitcp/conn/seq"

// maxHoles bounds the reassembly queue: a peer that sends every other octet must not make each arrival slow.
// A segment that would exceed it is dropped, and sent again by the peer.
const maxHoles = 256

// receiveBuffer holds what arrived: the octets from start to next are in order and unread, those in ahead came early.
type receiveBuffer struct {
	span  span
	start seq.Offset // first octet the application has not read
	next  seq.Offset // first octet that has not arrived
	ahead rangeset   // what arrived beyond next
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

// read moves octets to p and gives back the pages that are done with.
func (b *receiveBuffer) read(pages Pages, p []byte) int {
	n := min(len(p), b.readable())
	b.span.read(b.start, p[:n])
	b.skip(pages, n)
	return n
}

// skip forgets the first n readable octets.
func (b *receiveBuffer) skip(pages Pages, n int) {
	b.start += seq.Offset(n)
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
	b.span.releaseAll(pages)
}
