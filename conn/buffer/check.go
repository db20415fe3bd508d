package buffer

import (
	"fmt"
	"math"

	"minitcp/conn/seq"
)

// none is later than every offset: no page is needed.
const none = seq.Offset(math.MaxInt64)

// check is whether all of the intervals have their pages, and no page lies wholly before from.
func (s *span) check(from seq.Offset, in ...Range) error {
	for _, i := range in {
		if i.Size() == 0 {
			continue
		}
		for n := int64(i.Start) >> pageShift; n <= int64(i.End-1)>>pageShift; n++ {
			if n < s.first || n >= s.next || s.ring[n&int64(len(s.ring)-1)] == nil {
				return fmt.Errorf("page %d is missing of %v", n, in)
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
			return fmt.Errorf("page %d to %d is held, from %d to %d, none before %d is needed", low, high, s.first, s.next, from)
		}
	}
	if held != 0 {
		return fmt.Errorf("%d slots outside of the span have pages", held)
	}
	return nil
}

func (b *Send) Check() error {
	if b.Size() == 0 {
		return b.span.check(none)
	}
	return b.span.check(b.start, Range{b.start, b.end})
}

// check is whether what is adopted is in order and unread, and the rest in pages.
func (b *Receive) Check() error {
	if b.start == b.next && len(b.OutOfOrder()) == 0 {
		if b.external.first() != nil {
			return fmt.Errorf("a loan is kept for nothing")
		}
		return b.span.check(none)
	}
	if err := b.checkOutOfOrder(); err != nil {
		return err
	}
	at := b.start
	var copied []Range
	for _, r := range b.OutOfOrder() {
		if r.Size() >= leastInPages {
			copied = append(copied, r)
		}
	}
	for _, s := range b.external.unread() {
		if len(s.data) == 0 || s.end() <= at || s.start < at && at != b.start || s.end() > b.next {
			return fmt.Errorf("adopted [%d, %d), from %d on to %d", s.start, s.end(), at, b.next)
		}
		copied = append(copied, Range{at, max(at, s.start)})
		at = s.end()
	}
	return b.span.check(b.start, append(copied, Range{at, b.next})...)
}

// checkOutOfOrder compares the early data's pieces and counts with its ranges.
func (b *Receive) checkOutOfOrder() error {
	if b.outOfOrder == nil {
		return nil
	}
	pieces, bytes := b.outOfOrder.pieces, 0
	for _, r := range b.OutOfOrder() {
		if r.Size() >= leastInPages {
			continue
		}
		if len(pieces) == 0 || pieces[0].start != r.Start || len(pieces[0].data) != int(r.Size()) {
			return fmt.Errorf("early data %v has no piece of its size", r)
		}
		bytes += len(pieces[0].data)
		pieces = pieces[1:]
	}
	slots := 0
	if len(b.OutOfOrder()) > 0 {
		slots = b.span.count(int64(b.next)>>pageShift, b.span.next)
	}
	if e := b.outOfOrder; len(pieces) > 0 || bytes != e.bytes || slots != e.slots {
		return fmt.Errorf("early data: %d pieces too many; %d bytes of %d, %d slots of %d", len(pieces), e.bytes, bytes, e.slots, slots)
	}
	return nil
}
