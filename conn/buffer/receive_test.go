package buffer

import (
	"bytes"
	"math/rand/v2"
	"testing"

	"minitcp/conn/seq"
)

// The receive buffer takes the pieces of a stream in any order, some twice, and returns the stream in order.
func TestReceive(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 1))
	for range 50 {
		start, data := stream(r, 200_000)
		var pool counter
		shares := 0
		b := ReceiveAt(start)
		arrived := make([]bool, len(data)+1) // the last stays false
		next, read := 0, 0
		for read < len(data) {
			from := next
			if r.IntN(3) > 0 { // placed, or late
				from = max(0, min(next+r.IntN(30_000)-10_000, len(data)-1))
			}
			to := min(from+1+r.IntN(3000), len(data))
			if to > next {
				o, l := start+seq.Offset(from), &borrowed{bytes.Clone(data[from:to]), &shares}
				placed, ok := Range{}, r.IntN(2) > 0 && b.Retain(o, l.data, l)
				if ok {
					shares++
				} else {
					placed, ok = b.Insert(&pool, o, data[from:to])
				}
				if !ok && len(b.OutOfOrder()) < maxRanges {
					t.Fatal("refused")
				}
				if ok {
					for i := from; i < to; i++ {
						arrived[i] = true
					}
				}
				if ok && (placed == Range{}) != (from <= next) {
					t.Fatalf("%d to %d at %d: placed in %v", from, to, next, placed)
				}
			}
			for arrived[next] {
				next++
			}
			if b.Next() != start+seq.Offset(next) || b.Readable() != next-read {
				t.Fatalf("next %d, want %d", b.Next()-start, next)
			}
			if r.IntN(4) == 0 {
				if taken, l := b.ReadBuffer(&pool); l != nil {
					if !bytes.Equal(taken, data[read:read+len(taken)]) {
						t.Fatalf("ReadBuffer returns %d wrong bytes at %d", len(taken), read)
					}
					read += len(taken)
					if back := r.IntN(len(taken)) * r.IntN(2); back > 0 {
						read -= back
						b.Unread(&pool, taken[len(taken)-back:], l)
					} else {
						l.Release()
					}
				}
			}
			p := make([]byte, r.IntN(3000))
			n := b.Read(&pool, p)
			if n != min(len(p), next-read) || !bytes.Equal(p[:n], data[read:read+n]) {
				t.Fatalf("read %d bytes at %d, or wrong ones", n, read)
			}
			read += n
			if n > 0 && r.IntN(3) == 0 {
				back := 1 + r.IntN(n)
				read -= back
				b.Unread(&pool, p[n-back:n], nil)
				if pool.lent == 0 && shares == 0 {
					t.Fatalf("%d bytes that were put back count for nothing", back)
				}
			}
			if err := b.Check(); err != nil {
				t.Fatal(err)
			}
		}
		if pool.lent != 0 || shares != 0 || pool.bytes != 0 {
			t.Fatalf("%d pages, %d shares and %d bytes kept", pool.lent, shares, pool.bytes)
		}
	}
}
