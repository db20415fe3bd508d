package buffer

import "minitcp/conn/seq"

// Page is a unit in which buffers borrow memory: a large one where the application writes much at once, for what many
// small ones cost, else a small one, so that many connections may each hold a little.
type Page struct{ octets []byte }

const (
	// PageSize is the size of a small [Page] in octets, LargePage is that of a large one.
	PageSize  = 1 << pageShift
	LargePage = PageSize * slotsInLarge

	pageShift    = 13
	slotsInLarge = 8
	// largeWrite is the fewest bytes that must be written together for a large page.
	largeWrite = LargePage / 4
)

// NewPage returns a page of PageSize or LargePage octets.
func NewPage(size int) *Page { return &Page{make([]byte, size)} }

// Size is the page's size in octets.
func (p *Page) Size() int { return len(p.octets) }

// Clear overwrites the page with an octet, so that whoever still uses it is found out: for tests.
func (p *Page) Clear(with byte) {
	for i := range p.octets {
		p.octets[i] = with
	}
}

// Pool lends pages to the buffers of connections, and counts the memory that they use. A buffer returns a page as soon as it
// needs no byte in it.
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

// Heap is a [Pool] that leaves everything to the garbage collector.
type Heap struct{}

// Get implements [Pool].
func (Heap) Get(size int) *Page { return NewPage(size) }

// Put implements [Pool].
func (Heap) Put(*Page) {}

// Charge implements [Pool].
func (Heap) Charge(int) {}

// span maps a stretch of sequence space to pages: octet o lives in slot o>>pageShift, which a small page fills by itself,
// and a large one with its neighbours up to the next multiples of its size. Pages exist only where octets were written, so
// data that arrives out of order simply goes to its place and an idle connection holds no page. The ring of page pointers
// grows to the longest stretch ever held.
type span struct {
	ring  []*Page // length 0 or a power of two; slot number n is at n&(len-1)
	first int64   // lowest slot number that may be present
	next  int64   // one more than the highest
}

// write copies p to the bytes beginning at o, and returns the number of slots that have got a page by that. No large page is
// placed below slot floor.
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

// from is what the page has room for from octet o of the stream on.
func (p *Page) from(o seq.Offset) []byte { return p.octets[int(o)&(len(p.octets)-1):] }

// at returns the page in slot n, nil if there is none.
func (s *span) at(n int64) *Page {
	if n < s.first || n >= s.next {
		return nil
	}
	return s.ring[n&int64(len(s.ring)-1)]
}

// borrow returns a page for slot n, which has none, and the number of slots it fills: if large is set, a large page where there is
// room for it from slot floor on.
func (s *span) borrow(pool Pool, n int64, large bool, floor int64) (page *Page, placed int) {
	if s.first == s.next {
		s.first, s.next = n, n
	}
	if low := n &^ (slotsInLarge - 1); large && low >= floor && s.vacant(low, low+slotsInLarge) {
		return s.place(pool.Get(LargePage), low, low+slotsInLarge), slotsInLarge
	}
	return s.place(pool.Get(PageSize), n, n+1), 1
}

// vacant reports whether no slot from low to below high has a page.
func (s *span) vacant(low, high int64) bool { return s.count(low, high) == 0 }

// count returns the number of slots from low to below high that have a page.
func (s *span) count(low, high int64) (held int) {
	for n := max(low, s.first); n < min(high, s.next); n++ {
		if s.ring[n&int64(len(s.ring)-1)] != nil {
			held++
		}
	}
	return held
}

// place puts a page into the slots from low to below high.
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
		n := copy(p, s.page(o).from(o))
		p = p[n:]
		o += seq.Offset(n)
	}
}

// slices appends the pieces that hold the n octets from o on. They must have been written.
func (s *span) slices(to [][]byte, o seq.Offset, n int) [][]byte {
	for n > 0 {
		b := s.page(o).from(o)
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

// truncate gives back the pages that lie wholly at or beyond o.
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

// releaseAll gives back every page.
func (s *span) releaseAll(pool Pool) { s.release(pool, seq.Offset(s.next)<<pageShift) }
