// Package buffer holds the data of a connection between the application and the network.
//
// [Send] holds the bytes that the application has written and the peer has not acknowledged. [Receive] holds the
// bytes that have arrived and the application has not read, in any order of arrival. Both keep their bytes in pages
// of a [Pool], at places that follow from the position in the stream; Receive may also keep bytes in the driver's own
// memory, see [Borrowed]. [RangeSet] is a set of positions.
//
//	page.go        pages, their pool, and the map from positions to pages
//	pressure.go    memory pressure
//	send.go        Send
//	receive.go     Receive
//	outoforder.go  data beyond a gap, and the memory that it costs
//	borrowed.go    memory of the driver
//	rangeset.go    RangeSet
//	check.go       invariants, for tests
package buffer

import "minitcp/conn/seq"

// Page is the unit in which buffers allocate memory. A large write takes large pages, which cost less than many small
// ones; other data takes small pages, so that many connections can each hold a little.
type Page struct{ bytes []byte }

const (
	// PageSize is the size of a small [Page] in bytes, LargePage that of a large one.
	PageSize  = 1 << pageShift
	LargePage = PageSize * slotsInLarge

	pageShift    = 13
	slotsInLarge = 8
	// largeWrite is the size in bytes from which a write takes large pages.
	largeWrite = LargePage / 4
)

// NewPage returns a page of PageSize or LargePage bytes.
func NewPage(size int) *Page { return &Page{make([]byte, size)} }

// Size returns the size of the page in bytes.
func (p *Page) Size() int { return len(p.bytes) }

// Clear sets all bytes of the page to with. Tests use it to detect the use of a page after Put.
func (p *Page) Clear(with byte) {
	p.bytes[0] = with
	for n := 1; n < len(p.bytes); n *= 2 {
		copy(p.bytes[n:], p.bytes[:n])
	}
}

// Pool lends pages to the buffers of connections, and counts the memory that they use. A buffer returns a page as
// soon as it needs no byte in it.
type Pool interface {
	// Get returns a page of PageSize or LargePage bytes, whose contents are undefined. It never fails: a connection asks
	// for the memory pressure before it takes data.
	Get(size int) *Page
	// Put returns a page to the pool.
	Put(*Page)
	// Charge adds change to the number of bytes in use besides pages: small pieces of data that arrived out of order, and
	// the records of their places.
	Charge(change int)
}

// Heap is a [Pool] that leaves everything to the garbage collector, and a [Pressure] without limits.
type Heap struct{}

// Get implements [Pool].
func (Heap) Get(size int) *Page { return NewPage(size) }

// Put implements [Pool].
func (Heap) Put(*Page) {}

// Charge implements [Pool].
func (Heap) Charge(int) {}

// span maps a range of sequence space to pages. Byte o is in slot o>>pageShift. A small page fills one slot, a large
// page fills slotsInLarge slots from a multiple of slotsInLarge on. Only slots with data have a page, so that data
// out of order goes to its final place, and an idle connection holds no page. The ring of pages grows to the longest
// range held.
type span struct {
	ring  []*Page // length 0 or a power of two; slot n is at n&(len-1)
	first int64   // lowest slot that may have a page
	next  int64   // one past the highest
}

// write copies p to the bytes from o on, and returns the number of slots to which it has added a page. It adds no
// large page below slot floor.
func (s *span) write(pool Pool, o seq.Offset, p []byte, floor int64) (placed int) {
	for large := len(p) >= largeWrite; len(p) > 0; {
		page := s.at(int64(o) >> pageShift)
		if page == nil {
			var slots int
			page, slots = s.borrow(pool, int64(o)>>pageShift, large, floor)
			placed += slots
		}
		n := copy(page.from(o), p)
		p = p[n:]
		o += seq.Offset(n)
	}
	return placed
}

// from returns the part of the page from byte o of the stream on.
func (p *Page) from(o seq.Offset) []byte { return p.bytes[int(o)&(len(p.bytes)-1):] }

// at returns the page in slot n, nil if there is none.
func (s *span) at(n int64) *Page {
	if n < s.first || n >= s.next {
		return nil
	}
	return s.ring[n&int64(len(s.ring)-1)]
}

// borrow adds a page to slot n, which has none, and returns it and the number of slots that it fills. If large is
// set, the page is large if it fits from slot floor on.
func (s *span) borrow(pool Pool, n int64, large bool, floor int64) (page *Page, placed int) {
	if s.first == s.next {
		s.first, s.next = n, n
	}
	if low := n &^ (slotsInLarge - 1); large && low >= floor && s.vacant(low, low+slotsInLarge) {
		return s.place(pool.Get(LargePage), low, low+slotsInLarge), slotsInLarge
	}
	return s.place(pool.Get(PageSize), n, n+1), 1
}

// vacant reports whether no slot from low up to, not including, high has a page.
func (s *span) vacant(low, high int64) bool { return s.count(low, high) == 0 }

// count returns the number of slots from low up to, not including, high that have a page.
func (s *span) count(low, high int64) (held int) {
	for n := max(low, s.first); n < min(high, s.next); n++ {
		if s.ring[n&int64(len(s.ring)-1)] != nil {
			held++
		}
	}
	return held
}

// place puts a page into the slots from low up to, not including, high.
func (s *span) place(page *Page, low, high int64) *Page {
	first, next := min(s.first, low), max(s.next, high)
	if next-first > int64(len(s.ring)) {
		s.grow(next - first)
	}
	s.first, s.next = first, next
	for n := low; n < high; n++ {
		s.ring[n&int64(len(s.ring)-1)] = page
	}
	return page
}

// grow makes the ring large enough for need slots.
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

// read copies the bytes from o on to p. They must have been written.
func (s *span) read(o seq.Offset, p []byte) {
	for len(p) > 0 {
		n := copy(p, s.page(o).from(o))
		p = p[n:]
		o += seq.Offset(n)
	}
}

// slices appends to list the pieces of memory that hold the n bytes from o on. They must have been written.
func (s *span) slices(list [][]byte, o seq.Offset, n int) [][]byte {
	for n > 0 {
		b := s.page(o).from(o)
		b = b[:min(n, len(b))]
		list = append(list, b)
		n -= len(b)
		o += seq.Offset(len(b))
	}
	return list
}

// page returns the page that holds byte o, which must have been written.
func (s *span) page(o seq.Offset) *Page {
	return s.ring[(int64(o)>>pageShift)&int64(len(s.ring)-1)]
}

// release returns to the pool the pages that lie wholly before o.
func (s *span) release(pool Pool, o seq.Offset) {
	end := min(int64(o)>>pageShift, s.next)
	for s.first < end {
		n := s.first
		page := s.ring[n&int64(len(s.ring)-1)]
		slots := int64(1)
		if page != nil && page.Size() == LargePage {
			if slots = slotsInLarge; n+slots > end {
				return
			}
		}
		for ; slots > 0; slots-- {
			s.ring[s.first&int64(len(s.ring)-1)] = nil
			s.first++
		}
		if page != nil {
			pool.Put(page)
		}
	}
}

// truncate returns to the pool the pages that lie wholly at or beyond o.
func (s *span) truncate(pool Pool, o seq.Offset) {
	end := max(int64(o+PageSize-1)>>pageShift, s.first)
	for s.next > end {
		page := s.ring[(s.next-1)&int64(len(s.ring)-1)]
		slots := int64(1)
		if page != nil {
			if slots = int64(page.Size() >> pageShift); s.next-slots < end {
				return
			}
			pool.Put(page)
		}
		for ; slots > 0; slots-- {
			s.next--
			s.ring[s.next&int64(len(s.ring)-1)] = nil
		}
	}
}

// releaseAll returns all pages to the pool.
func (s *span) releaseAll(pool Pool) { s.release(pool, seq.Offset(s.next)<<pageShift) }
