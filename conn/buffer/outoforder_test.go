package buffer

import (
	"bytes"
	"math/bits"
	"math/rand/v2"
	"slices"
	"testing"

	"minitcp/conn/seq"
)

// Data out of order costs about as much memory as it has bytes, however it is spread: single bytes in different pages
// do not keep the pages.
func TestOutOfOrderMemory(t *testing.T) {
	for _, c := range []struct {
		name                string
		size, stride, count int
		most                int
	}{
		{"127 single bytes in as many pages", 1, PageSize, 127, 16 << 10},
		{"one byte", 1, 1, 1, 256},
		{"every other byte", 1, 2, maxRanges, maxRanges * 64},
		{"88 bytes in each page", 88, PageSize, 127, 24 << 10},
		{"a full segment in each page", 1448, PageSize, 127, 127*PageSize + 8<<10},
		{"every other full segment", 1448, 2 * 1448, 300, 2*1448*300 + 32<<10},
		{"88 bytes after each other", 88, 88, 1000, 88*1000 + 2*PageSize},
	} {
		for _, order := range []string{"forward", "backward", "random"} {
			var pool counter
			b := ReceiveAt(1)
			list := rand.New(rand.NewPCG(1, 1)).Perm(c.count)
			if order != "random" {
				slices.Sort(list)
			}
			if order == "backward" {
				slices.Reverse(list)
			}
			for _, i := range list {
				if _, ok := b.Insert(&pool, seq.Offset(100+i*c.stride), make([]byte, c.size)); !ok {
					t.Fatalf("%s, %s: refused", c.name, order)
				}
				if err := b.Check(); i%50 == 0 && err != nil {
					t.Fatal(err)
				}
			}
			if got := pool.memory(); got > c.most || got != b.OutOfOrderMemory() {
				t.Errorf("%s, %s: %d bytes in use, counted are %d, want at most %d", c.name, order, got, b.OutOfOrderMemory(), c.most)
			}
			b.DiscardOutOfOrder(&pool)
			if got := pool.memory(); got != 0 || b.OutOfOrderMemory() != 0 || b.End() != 1 {
				t.Errorf("%s, %s: %d bytes in use after DiscardOutOfOrder", c.name, order, got)
			}
		}
	}
}

// The receive buffer returns the stream whatever the sizes of its pieces, in any order, with repetitions that
// overlap, and with all data out of order discarded now and then. Its count of memory is right after every step.
func TestOutOfOrderMovesIntoPages(t *testing.T) {
	r := rand.New(rand.NewPCG(2, 1))
	for range 30 {
		start, data := stream(r, 150_000)
		var pool counter
		b := ReceiveAt(start)
		p, got := make([]byte, 5000), []byte(nil)
		for len(got) < len(data) {
			size := []int{1, 1, 10, 100, 900, 1100, 1448, 20_000, 40_000}[r.IntN(9)]
			from := int(b.Next()-start) + r.IntN(60_000)*min(r.IntN(5), 1) - 100
			from = max(0, min(from, len(data)-1))
			to := min(from+1+r.IntN(size), len(data))
			if start+seq.Offset(to) > b.Next() {
				b.Insert(&pool, start+seq.Offset(from), data[from:to])
			}
			if r.IntN(500) == 0 {
				b.DiscardOutOfOrder(&pool)
			}
			got = append(got, p[:b.Read(&pool, p[:r.IntN(len(p))])]...)
			if err := b.Check(); err != nil {
				t.Fatal(err)
			}
			if err := b.checkOutOfOrder(); err != nil {
				t.Fatal(err)
			}
		}
		if !bytes.Equal(got, data) || pool.memory() != 0 {
			t.Fatalf("wrong bytes, or %d bytes of memory kept", pool.memory())
		}
	}
}

// A segment that needs one range too many is refused. One that joins ranges, or has already arrived, is stored.
func TestTooManyRanges(t *testing.T) {
	var pool counter
	b := ReceiveAt(1)
	refused := 0
	for i := range maxRanges + 100 {
		if _, ok := b.Insert(&pool, seq.Offset(2+2*i), []byte{1}); !ok {
			refused++
		}
	}
	if len(b.OutOfOrder()) != maxRanges || refused != 100 {
		t.Errorf("%d ranges, %d refused", len(b.OutOfOrder()), refused)
	}
	for _, o := range []seq.Offset{4, 5, 1} {
		if _, ok := b.Insert(&pool, o, []byte{1}); !ok {
			t.Errorf("byte %d is refused", o)
		}
	}
	if b.Next() != 3 || len(b.OutOfOrder()) != maxRanges-2 {
		t.Errorf("next %d and %d ranges, want 3 and %d", b.Next(), len(b.OutOfOrder()), maxRanges-2)
	}
	if b.Discard(&pool); pool.memory() != 0 {
		t.Errorf("%d bytes are in use after Discard", pool.memory())
	}
}

// No insertion looks at more than a few dozen ranges, whatever the order in which 3000 gaps are made and filled
// (CVE-2018-5390).
func TestThreeThousandGaps(t *testing.T) {
	const gaps = 3000
	for _, size := range []int{1448, 1} {
		for _, order := range []string{"forward", "backward", "random", "from both ends"} {
			list := rand.New(rand.NewPCG(1, 1)).Perm(gaps)
			switch order {
			case "forward", "backward":
				slices.Sort(list)
			case "from both ends":
				for i := range list {
					if list[i] = i / 2; i%2 > 0 {
						list[i] = gaps - 1 - i/2
					}
				}
			}
			if order == "backward" {
				slices.Reverse(list)
			}
			var pool counter
			b, most := ReceiveAt(0), int64(0)
			insert := func(at int) {
				before := b.looks()
				if _, ok := b.Insert(&pool, seq.Offset(at), make([]byte, size)); !ok {
					t.Fatalf("%d bytes, %s: the piece at %d is refused with %d ranges", size, order, at, len(b.OutOfOrder()))
				}
				most = max(most, b.looks()-before)
			}
			for _, i := range list {
				insert((2*i + 1) * size)
			}
			if n := len(b.OutOfOrder()); n != gaps {
				t.Fatalf("%d bytes, %s: %d ranges, want %d", size, order, n, gaps)
			}
			slices.Sort(list)
			for _, i := range list {
				insert(2 * i * size)
			}
			if n := b.Readable(); n != 2*gaps*size {
				t.Errorf("%d bytes, %s: %d bytes are readable, want %d", size, order, n, 2*gaps*size)
			}
			if limit := int64(4*bits.Len(maxRanges) + 8); most > limit {
				t.Errorf("%d bytes, %s: an insertion looks at %d ranges, want at most %d", size, order, most, limit)
			}
		}
	}
}

// looks returns the number of ranges and pieces that searches have looked at so far.
func (b *Receive) looks() int64 {
	if b.outOfOrder == nil {
		return 0
	}
	return b.outOfOrder.looks
}

// A peer that sends every other byte of 64 KiB in a segment of its own, in any order, makes the buffer keep maxRanges
// of them, and look at a few dozen ranges for each (SegmentSmack, CVE-2018-5390).
func TestEveryOtherByte(t *testing.T) {
	const segments = 32 << 10
	for _, order := range []string{"forward", "backward", "random"} {
		var pool counter
		b := ReceiveAt(1)
		list := rand.New(rand.NewPCG(1, 1)).Perm(segments)
		if order != "random" {
			slices.Sort(list)
		}
		if order == "backward" {
			slices.Reverse(list)
		}
		kept := 0
		for _, i := range list {
			if _, ok := b.Insert(&pool, seq.Offset(3+2*i), []byte{1}); ok {
				kept++
			}
		}
		if looks := b.outOfOrder.looks; kept != maxRanges || looks > 40*segments {
			t.Errorf("%s: %d ranges are kept and %d looked at, want %d and at most %d", order, kept, looks, maxRanges, 40*segments)
		}
		if n := pool.memory(); n > 64*maxRanges {
			t.Errorf("%s: %d bytes are in use, want at most %d", order, n, 64*maxRanges)
		}
	}
}
