package datagrams

import (
	"bytes"
	"math/rand/v2"
	"net/netip"
	"testing"
)

// The queue delivers datagrams of all sizes in order, and an empty one holds no pages.
func TestQueue(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	var q Queue
	var want [][]byte
	for range 20_000 {
		if random.IntN(100) < 50 {
			data := make([]byte, random.IntN(50))
			switch random.IntN(20) {
			case 0:
				data = make([]byte, random.IntN(70_000))
			case 1, 2, 3:
				data = make([]byte, random.IntN(5000))
			}
			for i := range data {
				data[i] = byte(random.Uint32())
			}
			q.Push(Datagram{Data: data, Remote: netip.AddrPortFrom(netip.IPv6Loopback(), uint16(len(data)))})
			want = append(want, bytes.Clone(data))
			clear(data) // the queue has copied it
		} else if len(want) > 0 {
			b := make([]byte, 70_000)
			d, n, truncated := q.Pop(b)
			if !bytes.Equal(b[:n], want[0]) || truncated || d.Remote.Port() != uint16(len(want[0])) {
				t.Fatalf("%d bytes, want %d", n, len(want[0]))
			}
			want = want[1:]
		}
		bytes := 0
		for _, w := range want {
			bytes += len(w) + Overhead
		}
		large, inPages := 0, 0
		for _, w := range want {
			if len(w) > maxInPage {
				large += len(w)
			} else {
				inPages += len(w)
			}
		}
		if n := q.Memory() - large; n < inPages || q.count == 0 && n > 1024 {
			t.Fatalf("the queue takes %d bytes besides large datagrams, and has %d bytes of %d others", n, inPages, q.count)
		}
		if q.count != len(want) || q.bytes != bytes || q.count == 0 && (q.last != nil || len(q.ring) > leastRing) {
			t.Fatalf("%d datagrams of %d bytes, want %d of %d", q.count, q.bytes, len(want), bytes)
		}
	}
}
