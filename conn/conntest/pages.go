package conntest

import (
	"bytes"
	"math"

	"minitcp/conn"
	"minitcp/conn/buffer"
)

// Pages is a [buffer.Pool] and [buffer.Pressure] that counts memory. A returned page is overwritten, so that a later
// use is detected.
type Pages struct {
	Used     int // pages in use; a large page counts as the small pages that it replaces
	Charged  int // bytes charged in addition to pages
	Borrowed int // retained segment buffers
	// Limit is the number of pages at which memory is exhausted. It is scarce at three quarters of Limit. 0 means no
	// limit.
	Limit        int
	small, large []*buffer.Page // free pages
	segments     int
}

// Bulk is a [bulk.Counter] of bulk receivers.
type Bulk int64

// Add implements [bulk.Counter].
func (b *Bulk) Add(change int64) int64 { *b += Bulk(change); return int64(*b) }

// Load implements [bulk.Counter].
func (b *Bulk) Load() int64 { return int64(*b) }

// Level implements [buffer.Pressure].
func (p *Pages) Level() buffer.Level {
	switch {
	case p.Limit > 0 && p.Used >= p.Limit:
		return buffer.Exhausted
	case p.Limit > 0 && p.Used >= p.Limit*3/4:
		return buffer.Scarce
	}
	return buffer.NoPressure
}

// Charge implements [buffer.Pool].
func (p *Pages) Charge(change int) { p.Charged += change }

// Share implements [buffer.Pressure].
func (p *Pages) Share() int { return math.MaxInt }

// BufferShare implements [buffer.Pressure]: an eighth of the unused pages, without the last half for a stalled peer.
func (p *Pages) BufferShare(progress buffer.Progress) int {
	switch {
	case p.Limit == 0:
		return math.MaxInt
	case progress == buffer.Stalled:
		return max(0, p.Limit/2-p.Used) * buffer.PageSize / 8
	}
	return max(0, p.Limit-p.Used) * buffer.PageSize / 8
}

// Get implements [buffer.Pool].
func (p *Pages) Get(size int) *buffer.Page {
	p.Used += size / buffer.PageSize
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
	p.Used -= page.Size() / buffer.PageSize
	page.Clear(0xdb)
	free := p.freeOf(page.Size())
	*free = append(*free, page)
}

// freeOf returns the free list of pages of a size.
func (p *Pages) freeOf(size int) *[]*buffer.Page {
	if size == buffer.LargePage {
		return &p.large
	}
	return &p.small
}

// borrowed is the buffer of an arriving segment. It is overwritten when it is released, as pages are.
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

// lend passes the data of every other segment in a buffer that the connection may retain.
func (p *Pages) lend(s *conn.Segment) {
	if p.segments++; p.segments%2 == 0 || len(s.Data) == 0 {
		return
	}
	l := &borrowed{pages: p, data: bytes.Clone(s.Data)}
	s.Data, s.Buffer = l.data, l
}

// countRetained counts the buffer of a segment if the connection retained it.
func (p *Pages) countRetained(s *conn.Segment) {
	if s.Retained {
		p.Borrowed++
	}
	s.Buffer, s.Retained = nil, false
}
