package memory

import (
	"testing"

	"minitcp/conn/buffer"
)

// However many buffers take their share, together they take at most an eighth of the budget, and 8 MiB.
func TestPagePoolShare(t *testing.T) {
	if share := NewPool(512 << 20).Share(); share != 4<<20 {
		t.Errorf("with a budget of 512 MiB the share is %d bytes, want 4 MiB", share)
	}
	p := NewPool(800 * buffer.PageSize)
	for _, want := range []int{50, 25, 12, 6, 3, 2, 1} {
		if share := p.Share(); share != want*buffer.PageSize {
			t.Errorf("with %d pages lent the share is %d bytes, want %d", p.Lent(), share, want*buffer.PageSize)
		}
		for range want {
			p.Get(buffer.PageSize)
		}
	}
	p.Get(buffer.LargePage)
	if share := p.Share(); share != 0 {
		t.Errorf("with %d pages lent the share is %d bytes", p.Lent(), share)
	}
}

// The share does not depend on memory besides pages, such as that of 10,000 idle connections. When it did, bulk data
// beside them took 1.6 times the CPU time.
func TestPagePoolShareBesideIdleConnections(t *testing.T) {
	p := NewPool(512 << 20)
	p.Charge(10 << 20)
	if share := p.Share(); share != 4<<20 {
		t.Errorf("with 10 MiB in use besides pages the share is %d bytes, want 4 MiB", share)
	}
}

// The pool counts the pages in use. Memory is scarce from three quarters of the budget on, and exhausted
// from fifteen sixteenths on, and spent when the whole budget is in use.
func TestPagePool(t *testing.T) {
	levels := [...]buffer.Level{12: buffer.Scarce, 13: buffer.Scarce, 14: buffer.Scarce, 15: buffer.Exhausted, 16: buffer.Spent, 17: buffer.Spent}
	p := NewPool(16 * buffer.PageSize)
	var lent []*buffer.Page
	for n := 1; n <= 17; n++ {
		lent = append(lent, p.Get(buffer.PageSize))
		if want := levels[n]; p.Level() != want {
			t.Errorf("of 16 pages %d are lent: level %v, want %v", n, p.Level(), want)
		}
	}
	for _, page := range lent {
		p.Put(page)
	}
	p.Put(p.Get(buffer.LargePage))
	if p.Level() != buffer.NoPressure || p.Lent() != 0 {
		t.Errorf("with all given back %d are lent", p.Lent())
	}
}
