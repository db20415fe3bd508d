package stack

import (
	"slices"
	"sync"
	"testing"
	"time"

	"minitcp/stack/stacktest"
)

// backlog returns n connections, each with a congestion window of more than three bursts at its client.
func backlog(p *pair, n int) (clients, servers []*Conn) {
	l := p.listen()
	for range n {
		c, s := p.connect(l)
		data := pattern(1, 1<<20)
		go c.Write(data)
		wantBytes(p.t, s, data)
		clients, servers = append(clients, c), append(servers, s)
	}
	quiet()
	return clients, servers
}

// runs records the segments with data that p.a sends: the connections in turn, and how many segments each sends in a
// row.
type runs struct {
	mu      sync.Mutex
	ports   []uint16
	lengths []int
	next    map[uint16]uint32
	late    int // segments that do not begin where the last one of their connection has ended
}

func watchRuns(p *pair) *runs {
	r := &runs{next: make(map[uint16]uint32)}
	p.da.SetHook(func(frame []byte) stacktest.Fate {
		_, tcp, data, ok := stacktest.Segment(frame)
		if !ok || len(data) == 0 {
			return stacktest.Pass
		}
		r.mu.Lock()
		defer r.mu.Unlock()
		if want, known := r.next[tcp.SrcPort]; known && want != tcp.Seq {
			r.late++
		}
		r.next[tcp.SrcPort] = tcp.Seq + uint32(len(data))
		if n := len(r.ports); n > 0 && r.ports[n-1] == tcp.SrcPort {
			r.lengths[n-1]++
			return stacktest.Pass
		}
		r.ports, r.lengths = append(r.ports, tcp.SrcPort), append(r.lengths, 1)
		return stacktest.Pass
	})
	return r
}

// flush sends one burst while the entry is locked. The timer sends the rest without another call, in order.
func TestFlushSendsABurst(t *testing.T) {
	within(t, func(t *testing.T) {
		p := newPairOn(t, stacktest.Config{Offload: stacktest.Plain}, Config{}, Config{})
		clients, servers := backlog(p, 1)
		c, e := clients[0], clients[0].entry
		data := pattern(2, 100<<10) // 71 segments
		r := watchRuns(p)
		begin := time.Now()
		e.mu.Lock()
		if n, err := c.tcp.Write(p.a.clock.Now(), data); n != len(data) || err != nil {
			t.Errorf("Write: %d, %v", n, err)
		}
		c.afterCall()
		r.mu.Lock()
		if !slices.Equal(r.lengths, []int{16}) {
			t.Errorf("%d segments leave at once, want 16", r.lengths)
		}
		r.mu.Unlock()
		e.mu.Unlock()
		wantBytes(t, servers[0], data)
		took(t, begin, 0, 2*time.Millisecond)
		r.mu.Lock()
		defer r.mu.Unlock()
		if r.late > 0 {
			t.Errorf("%d segments are out of order", r.late)
		}
	})
}

// Entries that are flushed together send a burst each, in turn, and nothing twice.
func TestBurstsInTurn(t *testing.T) {
	within(t, func(t *testing.T) {
		p := newPairOn(t, stacktest.Config{Offload: stacktest.Plain}, Config{}, Config{})
		clients, servers := backlog(p, 2)
		data := pattern(2, 60<<10)                                          // 43 segments
		p.db.SetHook(func([]byte) stacktest.Fate { return stacktest.Drop }) // no ACK changes the order
		r := watchRuns(p)
		var list []*entry
		for _, c := range clients {
			c.entry.mu.Lock()
			c.tcp.Write(p.a.clock.Now(), data)
			c.entry.mu.Unlock()
			list = append(list, c.entry)
		}
		w := p.a.borrowWriter()
		p.a.flushAll(list, w)
		p.a.returnWriter(w)
		r.mu.Lock()
		if want := []int{16, 16, 16, 16, 11, 11}; !slices.Equal(r.lengths, want) || r.late > 0 {
			t.Errorf("bursts of %d, want %d; %d segments out of order", r.lengths, want, r.late)
		}
		r.mu.Unlock()
		p.db.SetHook(nil)
		for _, s := range servers {
			wantBytes(t, s, data)
		}
	})
}
