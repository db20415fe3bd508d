package stack

import (
	"net/netip"
	"testing"
	"time"
	"unsafe"

	"minitcp/conn"
	"minitcp/stack/internal/flow"
)

// remoteKey returns the key of a connection with the remote address number i.
func remoteKey(i int) flow.Key {
	remote := netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)})
	return flow.KeyOf(netip.MustParseAddr("10.77.0.2"), remote, 80, uint16(i))
}

// enterTimeWait puts n entries whose connections are in TIME-WAIT into a, one for each remote address from first on,
// and flushes them. All of them have the state of one connection that has entered TIME-WAIT before.
func (p *pair) enterTimeWait(l *Listener, first, n int) {
	p.t.Helper()
	c, s := p.connect(l)
	c.CloseWrite()
	wantEOF(p.t, s)
	s.Close()
	quiet()
	wantState(p.t, c, conn.TimeWait)
	w := p.a.borrowWriter()
	defer p.a.returnWriter(w)
	for i := range n {
		e := p.a.newEntry(p.a.clock.Now(), remoteKey(first+i), 0)
		e.mu.Lock()
		e.tcp = c.tcp
		p.a.trackLive(e)
		if !p.a.table.Insert(&e.Node) {
			p.t.Fatalf("the key of entry %d is in use", i)
		}
		p.a.flush(e, w)
		e.mu.Unlock()
	}
}

// 100,000 connections in TIME-WAIT fit into the default limit, and end after their time.
func TestManyTimeWaits(t *testing.T) {
	within(t, func(t *testing.T) {
		const n = 100_000
		p := newPair(t, Config{})
		p.enterTimeWait(p.listen(), 0, n)
		wantCount(t, p.a, "connections", n+1)
		wantCount(t, p.a, "time-wait-evicted", 0)
		time.Sleep(59 * time.Second)
		wantCount(t, p.a, "connections", n+1)
		time.Sleep(2 * time.Second)
		wantCount(t, p.a, "connections", 0)
		if n := p.a.timeWaits.Len(); n != 0 {
			t.Errorf("%d entries are in the list, want none", n)
		}
	})
}

// Of 100,000 connections that enter TIME-WAIT, the last MaxTimeWait remain.
func TestMaxTimeWait(t *testing.T) {
	within(t, func(t *testing.T) {
		const n, limit, batch = 100_000, 1000, 500
		p := newPair(t, Config{MaxTimeWait: limit})
		l := p.listen()
		for first := 0; first < n; first += batch {
			p.enterTimeWait(l, first, batch-1) // and the one that it takes the state of
			time.Sleep(2 * time.Millisecond)
			if c := p.a.table.Len(); c > limit {
				t.Fatalf("%d connections, want at most %d", c, limit)
			}
		}
		wantCount(t, p.a, "connections", limit)
		wantCount(t, p.a, "time-wait-evicted", n-limit)
		for i := n - limit; i < n; i++ {
			if k := remoteKey(i); i%batch < batch-1 && p.a.table.Find(&k) == nil {
				t.Fatalf("entry %d of %d has ended", i, n)
			}
		}
		time.Sleep(time.Minute)
		wantCount(t, p.a, "connections", 0)
		wantCount(t, p.a, "time-wait-evicted", n-limit)
	})
}

// A connection in TIME-WAIT that a SYN reopens leaves the list of those in TIME-WAIT.
func TestReopenedLeavesTimeWaits(t *testing.T) {
	within(t, func(t *testing.T) {
		p := newPair(t, Config{})
		p.enterTimeWait(p.listen(), 0, 3)
		for _, i := range []int{1, 0, 2} {
			k := remoteKey(i)
			e := p.a.table.Find(&k)
			e.mu.Lock()
			p.a.remove(e)
			e.mu.Unlock()
		}
		if n := p.a.timeWaits.Len(); n != 1 {
			t.Errorf("%d entries are in the list, want 1", n)
		}
	})
}

// A connection in TIME-WAIT takes at most 320 bytes besides its bucket.
func TestTimeWaitIsSmall(t *testing.T) {
	size := unsafe.Sizeof(entry{}) + unsafe.Sizeof(conn.TimeWaitConn{})
	t.Logf("%d bytes", size)
	if size > 320 {
		t.Errorf("a connection in TIME-WAIT takes %d bytes, want at most 320", size)
	}
}
