package buffer

import (
	"fmt"
	"math"

	"minitcp/conn/seq"
)

// none is beyond every offset. As the first byte in use, it means that no page is needed.
const none = seq.Offset(math.MaxInt64)

// check returns an error unless all ranges have their pages, and no page lies wholly before from.
func (s *span) check(from seq.Offset, in ...Range) error {
	for _, i := range in {
		if i.Size() == 0 {
			continue
		}
		for n := int64(i.Start) >> pageShift; n <= int64(i.End-1)>>pageShift; n++ {
			if n < s.first || n >= s.next || s.ring[n&int64(len(s.ring)-1)] == nil {
				return fmt.Errorf("slot %d of %v has no page", n, i)
			}
		}
	}
	held := 0
	for _, p := range s.ring {
		if p != nil {
			held++
		}
	}
	for n := s.first; n < s.next; n++ {
		page := s.ring[n&int64(len(s.ring)-1)]
		if page == nil {
			continue
		}
		held--
		low := n &^ int64(page.Size()>>pageShift-1)
		if high := low + int64(page.Size()>>pageShift); low < s.first || high > s.next || seq.Offset(high<<pageShift) <= from {
			return fmt.Errorf("page in slots %d to %d is outside of slots %d to %d, or before byte %d", low, high, s.first, s.next, from)
		}
	}
	if held != 0 {
		return fmt.Errorf("%d slots outside of the span have pages", held)
	}
	return nil
}

// Check returns an error if the buffer's pages are not those that its bytes need.
func (b *Send) Check() error {
	if b.Size() == 0 {
		return b.span.check(none)
	}
	return b.span.check(b.start, Range{b.start, b.end})
}

// Check returns an error unless borrowed memory is in order and unread, and all other bytes are in pages or pieces.
func (b *Receive) Check() error {
	if b.start == b.next && len(b.OutOfOrder()) == 0 {
		if b.external.first() != nil {
			return fmt.Errorf("borrowed memory is kept although the buffer is empty")
		}
		return b.span.check(none)
	}
	if err := b.checkOutOfOrder(); err != nil {
		return err
	}
	at := b.start
	var room [8]Range
	copied := room[:0]
	for _, r := range b.OutOfOrder() {
		if r.Size() >= leastInPages {
			copied = append(copied, r)
		}
	}
	for _, s := range b.external.unread() {
		if len(s.data) == 0 || s.end() <= at || s.start < at && at != b.start || s.end() > b.next {
			return fmt.Errorf("borrowed [%d, %d) is not within %d to %d", s.start, s.end(), at, b.next)
		}
		copied = append(copied, Range{at, max(at, s.start)})
		at = s.end()
	}
	return b.span.check(b.start, append(copied, Range{at, b.next})...)
}

// checkOutOfOrder compares pieces and counts with the ranges.
func (b *Receive) checkOutOfOrder() error {
	if b.outOfOrder == nil {
		return nil
	}
	if n := len(b.OutOfOrder()); n > maxRanges {
		return fmt.Errorf("%d ranges out of order, more than %d", n, maxRanges)
	}
	pieces, bytes := b.outOfOrder.pieces, 0
	for _, r := range b.OutOfOrder() {
		if r.Size() >= leastInPages {
			continue
		}
		if len(pieces) == 0 || pieces[0].start != r.Start || len(pieces[0].data) != int(r.Size()) {
			return fmt.Errorf("range %v out of order has no piece of its size", r)
		}
		bytes += len(pieces[0].data)
		pieces = pieces[1:]
	}
	slots := 0
	if len(b.OutOfOrder()) > 0 {
		slots = b.span.count(int64(b.next)>>pageShift, b.span.next)
	}
	if e := b.outOfOrder; len(pieces) > 0 || bytes != e.bytes || slots != e.slots {
		return fmt.Errorf("out of order: %d pieces without a range; counted %d bytes, want %d; counted %d slots, want %d", len(pieces), e.bytes, bytes, e.slots, slots)
	}
	return nil
}
