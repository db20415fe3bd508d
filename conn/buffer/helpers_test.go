package buffer

import (
	"math/rand/v2"

	"minitcp/conn/seq"
)

// counter is a Pool that fills pages with garbage and counts them.
type counter struct {
	lent  int // small pages in use
	bytes int // charged
}

func (c *counter) Get(size int) *Page {
	c.lent += size / PageSize
	p := NewPage(size)
	p.Clear(0xdb)
	return p
}
func (c *counter) Put(p *Page)  { c.lent -= p.Size() / PageSize }
func (c *counter) Charge(n int) { c.bytes += n }

// memory returns the memory in use in bytes.
func (c *counter) memory() int { return c.lent*PageSize + c.bytes }

// borrowed is memory that is overwritten when it is released. It counts the shares in use.
type borrowed struct {
	data []byte
	used *int
}

func (l *borrowed) Release() {
	clear(l.data)
	*l.used--
}

// stream returns n random bytes, enough to cross many pages, and a random offset.
func stream(r *rand.Rand, n int) (start seq.Offset, b []byte) {
	b = make([]byte, n)
	for i := range b {
		b[i] = byte(r.Uint32())
	}
	return seq.Offset(r.Int64N(1 << 40)), b
}
