package stack

import (
	"testing"
	"time"

	"minitcp/conn"
	"minitcp/stack/internal/memory"
)

// blocked connects, fills the buffers of both ends and closes the client: its data waits for the server to read.
func (p *pair) blocked(l *Listener) (client, server *Conn) {
	p.t.Helper()
	client, server = p.connect(l)
	for n := 1; n > 0; {
		client.SetWriteDeadline(time.Now().Add(time.Second))
		n, _ = client.Write(pattern(1, 1<<20))
	}
	client.Close()
	return client, server
}

// The connection that Close makes an orphan beyond MaxOrphans is reset; the earlier ones are not.
func TestMaxOrphans(t *testing.T) {
	within(t, func(t *testing.T) {
		p := newPair(t, Config{MaxOrphans: 2})
		l := p.listen()
		var clients, servers []*Conn
		for range 3 {
			c, s := p.blocked(l)
			clients, servers = append(clients, c), append(servers, s)
		}
		wantCount(t, p.a, "orphans-reset", 1)
		time.Sleep(2 * time.Second) // the RST may follow a window probe, and is challenged then
		wantState(t, servers[0], conn.Established)
		wantState(t, servers[1], conn.Established)
		wantState(t, clients[2], conn.Closed)
		wantState(t, servers[2], conn.Closed)
		for _, s := range servers { // both orphans end, and make room
			s.Close()
		}
		quiet()
		if n := p.a.orphans.Load(); n != 0 {
			t.Errorf("%d orphans are left", n)
		}
		p.blocked(l)
		wantCount(t, p.a, "orphans-reset", 1)
	})
}

// A connection that ends in good order is an orphan only while it waits for the peer.
func TestOrphansAreCounted(t *testing.T) {
	within(t, func(t *testing.T) {
		p := newPair(t, Config{MaxOrphans: 1})
		l := p.listen()
		for range 3 {
			c, s := p.connect(l)
			c.Close()
			quiet()
			wantState(t, c, conn.FinWait2)
			s.Close()
			quiet()
			wantState(t, c, conn.TimeWait)
		}
		wantCount(t, p.a, "orphans-reset", 0)
		wantCount(t, p.b, "orphans-reset", 0)
	})
}

// An orphan whose peer acknowledges nothing ends after 30 seconds while memory is scarce, and continues otherwise.
func TestOrphanWhileMemoryIsScarce(t *testing.T) {
	within(t, func(t *testing.T) {
		p := newPair(t, Config{})
		c, s := p.blocked(p.listen())
		time.Sleep(5 * time.Minute)
		wantState(t, s, conn.Established)
		pool := p.a.cfg.Conn.Pool.(*memory.Pool)
		charge := int(p.a.cfg.Memory)
		pool.Charge(charge)
		time.Sleep(31 * time.Second)
		wantState(t, c, conn.Closed)
		wantState(t, s, conn.Closed)
		pool.Charge(-charge)
		if n := pool.Used(); n != 0 {
			t.Errorf("%d pages are in use by the connection that has ended", n)
		}
	})
}

// An orphan whose peer reads, slowly, delivers everything also while memory is scarce.
func TestSlowOrphanWhileMemoryIsScarce(t *testing.T) {
	within(t, func(t *testing.T) {
		p := newPair(t, Config{Conn: conn.Config{ReceiveBuffer: 64 << 10, SendBuffer: 256 << 10}})
		_, s := p.blocked(p.listen())
		pool := p.a.cfg.Conn.Pool.(*memory.Pool)
		charge := int(p.a.cfg.Memory)
		pool.Charge(charge)
		defer pool.Charge(-charge)
		got, b := 0, make([]byte, 48<<10)
		for {
			n, err := s.Read(b)
			if got += n; err != nil {
				break
			}
			time.Sleep(20 * time.Second)
		}
		wantState(t, s, conn.CloseWait)
		if got < 256<<10 {
			t.Errorf("%d bytes arrived", got)
		}
	})
}
