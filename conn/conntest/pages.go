package conntest

import (
	"bytes"

	"minitcp/conn"
)

// Pages lends memory and counts it. A page that comes back is overwritten, so that whoever still uses it is found out.
type Pages struct {
	Lent  int // pages not given back
	Loans int // memory of segments that is still in use
	// Limit is how many may be lent before memory is exhausted; it is scarce when three quarters of them are. 0: as many
	// as one likes.
	Limit  int
	free   []*conn.Page
	offers int
}

// Scarce implements [conn.Pages].
func (p *Pages) Scarce() bool { return p.Limit > 0 && p.Lent >= p.Limit*3/4 }

// Exhausted implements [conn.Pages].
func (p *Pages) Exhausted() bool { return p.Limit > 0 && p.Lent >= p.Limit }

// Get implements [conn.Pages].
func (p *Pages) Get() *conn.Page {
	p.Lent++
	if n := len(p.free); n > 0 {
		page := p.free[n-1]
		p.free = p.free[:n-1]
		return page
	}
	return new(conn.Page)
}

// used is what a page looks like that has come back.
var used = func() (page conn.Page) {
	for i := range page {
		page[i] = 0xdb
	}
	return page
}()

// Put implements [conn.Pages].
func (p *Pages) Put(page *conn.Page) {
	p.Lent--
	*page = used
	p.free = append(p.free, page)
}

// loan is the memory of a segment that arrived. It is overwritten when it comes back, as pages are.
type loan struct {
	pages *Pages
	data  []byte
}

// Return implements [conn.Loan].
func (l *loan) Return() {
	l.pages.Loans--
	for i := range l.data {
		l.data[i] = 0xdb
	}
}

// offer lends a copy of the segment's data, every other time.
func (p *Pages) offer(s *conn.Segment) {
	if p.offers++; p.offers%2 == 0 || len(s.Data) == 0 {
		return
	}
	l := &loan{pages: p, data: bytes.Clone(s.Data)}
	s.Data, s.Loan = l.data, l
}

// offered counts what has been kept.
func (p *Pages) offered(s *conn.Segment) {
	if s.Kept {
		p.Loans++
	}
	s.Loan, s.Kept = nil, false
}
