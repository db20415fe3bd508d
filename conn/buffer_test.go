package conn

import (
	"bytes"
	"math"
	"math/rand/v2"
	"testing"

	"minitcp/conn/seq"
)

// counter lends pages full of garbage and counts them.
type counter struct {
	lent  int
	small int // bytes charged besides
}

func (c *counter) Get(size int) *Page {
	c.lent += size / PageSize
	p := NewPage(size)
	p.Clear(0xdb)
	return p
}
func (c *counter) Put(p *Page)   { c.lent -= p.Size() / PageSize }
func (c *counter) Charge(n int)  { c.small += n }
func (*counter) Scarce() bool    { return false }
func (*counter) Crowd(int) int   { return 1 }
func (*counter) Exhausted() bool { return false }
func (*counter) Share() int      { return math.MaxInt }

// loan is overwritten when it comes back, and counted out.
type loan struct {
	data []byte
	out  *int
}

func (l *loan) Return() {
	clear(l.data)
	*l.out--
}

// stream is long enough to cross many pages, and starts anywhere.
func stream(r *rand.Rand, n int) (start seq.Offset, b []byte) {
	b = make([]byte, n)
	for i := range b {
		b[i] = byte(r.Uint32())
	}
	return seq.Offset(r.Int64N(1 << 40)), b
}

// The send buffer is a slice whose front is acknowledged and whose end is written; any stretch can be had at any time.
func TestSendBuffer(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 1))
	for range 50 {
		start, data := stream(r, 300_000)
		var pages counter
		b := sendBuffer{start: start, end: start}
		for una, end := 0, 0; una < len(data); {
			n := min(r.IntN(40_000), len(data)-end)
			b.append(&pages, data[end:end+n])
			end += n
			for range 3 {
				from := una + r.IntN(end-una+1)
				n := r.IntN(end - from + 1)
				if got := bytes.Join(b.span.slices(nil, start+seq.Offset(from), n), nil); !bytes.Equal(got, data[from:from+n]) {
					t.Fatalf("octets %d to %d are wrong", from, from+n)
				}
			}
			una += r.IntN(end - una + 1)
			b.acknowledge(&pages, start+seq.Offset(una))
			if b.size() != end-una {
				t.Fatalf("size %d, want %d", b.size(), end-una)
			}
			if err := b.check(); err != nil {
				t.Fatal(err)
			}
			if most := (end-una)/PageSize + 2*slotsInLarge; pages.lent > most || end == una && pages.lent > 0 {
				t.Fatalf("%d pages for %d octets", pages.lent, end-una)
			}
		}
		b.append(&pages, data)
		b.discard(&pages)
		if pages.lent != 0 || b.size() != 0 {
			t.Fatalf("after discard: %d pages, %d octets", pages.lent, b.size())
		}
	}
}

// The receive buffer gets the pieces of a stream in any order, some twice, and gives it out in order.
func TestReceiveBuffer(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 1))
	for range 50 {
		start, data := stream(r, 200_000)
		var pages counter
		loans := 0
		b := receiveBuffer{start: start, next: start}
		arrived := make([]bool, len(data)+1) // the last stays false
		next, read := 0, 0
		for read < len(data) {
			from := next
			if r.IntN(3) > 0 { // early, or late
				from = max(0, min(next+r.IntN(30_000)-10_000, len(data)-1))
			}
			to := min(from+1+r.IntN(3000), len(data))
			if to > next {
				o, l := start+seq.Offset(from), &loan{bytes.Clone(data[from:to]), &loans}
				early, ok := interval{}, r.IntN(2) > 0 && b.adopt(o, l.data, l)
				if ok {
					loans++
				} else {
					early, ok = b.insert(&pages, o, data[from:to])
				}
				if !ok && len(b.ahead()) < maxRanges {
					t.Fatal("refused")
				}
				if ok {
					for i := from; i < to; i++ {
						arrived[i] = true
					}
				}
				if ok && (early == interval{}) != (from <= next) {
					t.Fatalf("%d to %d at %d: early %v", from, to, next, early)
				}
			}
			for arrived[next] {
				next++
			}
			if b.next != start+seq.Offset(next) || b.readable() != next-read {
				t.Fatalf("next %d, want %d", b.next-start, next)
			}
			if r.IntN(4) == 0 {
				if taken, l := b.take(&pages); l != nil {
					if !bytes.Equal(taken, data[read:read+len(taken)]) {
						t.Fatalf("takes %d wrong octets at %d", len(taken), read)
					}
					read += len(taken)
					l.Return()
				}
			}
			p := make([]byte, r.IntN(3000))
			n := b.read(&pages, p)
			if n != min(len(p), next-read) || !bytes.Equal(p[:n], data[read:read+n]) {
				t.Fatalf("read %d octets at %d, or wrong ones", n, read)
			}
			read += n
			if err := b.check(); err != nil {
				t.Fatal(err)
			}
		}
		if pages.lent != 0 || loans != 0 || pages.small != 0 {
			t.Fatalf("%d pages, %d loans and %d bytes kept", pages.lent, loans, pages.small)
		}
	}
}
