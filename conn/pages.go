package conn

import "minitcp/conn/seq"

// PageSize is the size of a [Page] in octets.
const PageSize = 1 << pageShift

const (
	pageShift = 14
	pageMask  = PageSize - 1
)

// Page is the unit in which buffers borrow memory.
type Page [PageSize]byte

// Pages lends pages to the buffers of connections, which give each back as soon as no octet in it is needed.
// A page's contents are undefined when lent.
type Pages interface {
	// Get never fails: whoever asks has looked whether it should.
	Get() *Page
	Put(*Page)
	// Scarce says that no more should be promised than needed: buffers do not exceed 64 KiB, but for what they hold or
	// have promised already, and data that comes early is not kept.
	Scarce() bool
	// Exhausted says that promises cannot be kept either: a connection keeps what arrives in order only while it has no
	// more than 64 KiB unread. When it is true, Scarce is, too.
	Exhausted() bool
}

// heapPages leaves it all to the garbage collector.
type heapPages struct{}

func (heapPages) Get() *Page      { return new(Page) }
func (heapPages) Put(*Page)       {}
func (heapPages) Scarce() bool    { return false }
func (heapPages) Exhausted() bool { return false }

// span maps a stretch of sequence space to pages: octet o lives in page o>>pageShift at o&pageMask. Pages exist only
// where octets were written, so data that arrives out of order simply goes to its place and an idle connection holds
// no page. The ring of page pointers grows to the longest stretch ever held.
type span struct {
	ring  []*Page // length 0 or a power of two; page number n is at n&(len-1)
	first int64   // lowest page number that may be present
	next  int64   // one more than the highest
}

// write copies p to the octets beginning at o.
func (s *span) write(pages Pages, o seq.Offset, p []byte) {
	for len(p) > 0 {
		page := s.touch(pages, int64(o)>>pageShift)
		n := copy(page[o&pageMask:], p)
		p = p[n:]
		o += seq.Offset(n)
	}
}

// touch returns page n, borrowing it if it is not there.
func (s *span) touch(pages Pages, n int64) *Page {
	if s.first == s.next {
		s.first, s.next = n, n
	}
	first, next := min(s.first, n), max(s.next, n+1)
	if next-first > int64(len(s.ring)) {
		s.grow(next - first)
	}
	s.first, s.next = first, next
	slot := &s.ring[n&int64(len(s.ring)-1)]
	if *slot == nil {
		*slot = pages.Get()
	}
	return *slot
}

func (s *span) grow(need int64) {
	size := int64(max(4, len(s.ring)))
	for size < need {
		size *= 2
	}
	ring := make([]*Page, size)
	for n := s.first; n < s.next; n++ {
		ring[n&(size-1)] = s.ring[n&int64(len(s.ring)-1)]
	}
	s.ring = ring
}

// read copies the octets from o on to p. They must have been written.
func (s *span) read(o seq.Offset, p []byte) {
	for len(p) > 0 {
		n := copy(p, s.page(o)[o&pageMask:])
		p = p[n:]
		o += seq.Offset(n)
	}
}

// slices appends the pieces that hold the n octets from o on. They must have been written.
func (s *span) slices(to [][]byte, o seq.Offset, n int) [][]byte {
	for n > 0 {
		b := s.page(o)[o&pageMask:]
		b = b[:min(n, len(b))]
		to = append(to, b)
		n -= len(b)
		o += seq.Offset(len(b))
	}
	return to
}

func (s *span) page(o seq.Offset) *Page {
	return s.ring[(int64(o)>>pageShift)&int64(len(s.ring)-1)]
}

// release gives back the pages that lie wholly before o.
func (s *span) release(pages Pages, o seq.Offset) {
	for end := min(int64(o)>>pageShift, s.next); s.first < end; s.first++ {
		s.drop(pages, s.first)
	}
}

// releaseAll gives back every page.
func (s *span) releaseAll(pages Pages) {
	for ; s.first < s.next; s.first++ {
		s.drop(pages, s.first)
	}
}

func (s *span) drop(pages Pages, n int64) {
	slot := &s.ring[n&int64(len(s.ring)-1)]
	if *slot != nil {
		pages.Put(*slot)
		*slot = nil
	}
}
