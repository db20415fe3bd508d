package conntest

import (
	"bytes"
	"math"

	"minitcp/conn"
	"minitcp/conn/buffer"
)

// Pages lends memory and counts it. A page that comes back is overwritten, so that whoever still uses it is found out.
type Pages struct {
	Lent     int // pages not given back; a large one counts as what it replaces
	Small    int // bytes charged besides pages
	Borrowed int // memory of segments that is still in use
	// Limit is how many may be lent before memory is exhausted; it is scarce when three quarters of them are. 0: as many
	// as one likes.
	Limit        int
	small, large []*buffer.Page // to lend again
	offers       int
}

// Bulk is a [conn.Counter] of bulk receivers.
type Bulk int64

// Add implements [conn.Counter].
func (b *Bulk) Add(change int64) int64 { *b += Bulk(change); return int64(*b) }

// Load implements [conn.Counter].
func (b *Bulk) Load() int64 { return int64(*b) }

// Level implements [buffer.Pressure].
func (p *Pages) Level() buffer.Level {
	switch {
	case p.Limit > 0 && p.Lent >= p.Limit:
		return buffer.Exhausted
	case p.Limit > 0 && p.Lent >= p.Limit*3/4:
		return buffer.Scarce
	}
	return buffer.NoPressure
}

// Charge implements [buffer.Pool].
func (p *Pages) Charge(change int) { p.Small += change }

// Share implements [buffer.Pressure].
func (p *Pages) Share() int { return math.MaxInt }

// Get implements [buffer.Pool].
func (p *Pages) Get(size int) *buffer.Page {
	p.Lent += size / buffer.PageSize
	free := p.freeOf(size)
	if n := len(*free); n > 0 {
		page := (*free)[n-1]
		*free = (*free)[:n-1]
		return page
	}
	return buffer.NewPage(size)
}

// Put implements [buffer.Pool].
func (p *Pages) Put(page *buffer.Page) {
	p.Lent -= page.Size() / buffer.PageSize
	page.Clear(0xdb)
	free := p.freeOf(page.Size())
	*free = append(*free, page)
}

func (p *Pages) freeOf(size int) *[]*buffer.Page {
	if size == buffer.LargePage {
		return &p.large
	}
	return &p.small
}

// borrowed is the memory of a segment that arrived. It is overwritten when it is released, as pages are.
type borrowed struct {
	pages *Pages
	data  []byte
}

// Release implements [buffer.Borrowed].
func (l *borrowed) Release() {
	l.pages.Borrowed--
	for i := range l.data {
		l.data[i] = 0xdb
	}
}

// offer lends a copy of the segment's data, every other time.
func (p *Pages) offer(s *conn.Segment) {
	if p.offers++; p.offers%2 == 0 || len(s.Data) == 0 {
		return
	}
	l := &borrowed{pages: p, data: bytes.Clone(s.Data)}
	s.Data, s.Buffer = l.data, l
}

// offered counts what has been kept.
func (p *Pages) offered(s *conn.Segment) {
	if s.Retained {
		p.Borrowed++
	}
	s.Buffer, s.Retained = nil, false
}
