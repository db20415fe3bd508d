package buffer

import (
	"bytes"
	"math/rand/v2"
	"testing"

	"minitcp/conn/seq"
)

// The send buffer returns any range of the bytes written and not acknowledged, and holds no more pages than it needs.
func TestSend(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 1))
	for range 50 {
		start, data := stream(r, 300_000)
		var pool counter
		b := SendAt(start)
		for una, end := 0, 0; una < len(data); {
			n := min(r.IntN(40_000), len(data)-end)
			b.Append(&pool, data[end:end+n])
			end += n
			for range 3 {
				from := una + r.IntN(end-una+1)
				n := r.IntN(end - from + 1)
				if got := bytes.Join(b.Slices(nil, start+seq.Offset(from), n), nil); !bytes.Equal(got, data[from:from+n]) {
					t.Fatalf("bytes %d to %d are wrong", from, from+n)
				}
			}
			una += r.IntN(end - una + 1)
			b.Acknowledge(&pool, start+seq.Offset(una))
			if b.Size() != end-una {
				t.Fatalf("size %d, want %d", b.Size(), end-una)
			}
			if err := b.Check(); err != nil {
				t.Fatal(err)
			}
			if most := (end-una)/PageSize + 2*slotsInLarge; pool.lent > most || end == una && pool.lent > 0 {
				t.Fatalf("%d pages for %d bytes", pool.lent, end-una)
			}
		}
		b.Append(&pool, data)
		b.Discard(&pool)
		if pool.lent != 0 || b.Size() != 0 {
			t.Fatalf("after discard: %d pages, %d bytes", pool.lent, b.Size())
		}
	}
}
