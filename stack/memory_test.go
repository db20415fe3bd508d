package stack

import (
	"bytes"
	"io"
	"runtime"
	"sync"
	"testing"
	"time"

	"minitcp/conn"
	"minitcp/stack/stacktest"
)

// Many connections share a budget. Those whose application does not read cannot exceed it, whatever they were promised;
// another goes on beside them, and so do they when they are read.
func TestMemoryIsShared(t *testing.T) {
	within(t, func(t *testing.T) {
		const budget, sleepers = 4 << 20, 30
		p := newPairOn(t, stacktest.Config{}, Config{}, Config{Memory: budget})
		pool := p.b.cfg.Conn.Pages.(*pagePool)
		bounded := func(connections int64) {
			t.Helper()
			if held := pool.lent.Load() * conn.PageSize; held > budget+connections*160<<10 {
				t.Errorf("%d octets are held", held)
			}
		}
		l := p.listen()
		data := pattern(3, 3<<20)
		var writers sync.WaitGroup
		asleep, awake := make([]*Conn, sleepers), make([]*Conn, sleepers)
		for i := range asleep {
			c, s := p.connect(l)
			go c.Write(data[:1<<16])
			receiveAll2(t, s, data[:1<<16])
			asleep[i], awake[i] = s, c
		}
		quiet()
		promised := int64(0)
		for _, s := range asleep {
			promised += s.Info().ReceiveWindow
		}
		if promised < 4*budget {
			t.Fatalf("only %d octets are promised", promised)
		}
		for i, c := range awake {
			writers.Go(func() {
				c.Write(data)
				c.Close()
			})
			quiet()
			bounded(int64(i + 1))
		}
		if !pool.Exhausted() {
			t.Fatalf("%d pages are lent, and there is memory left", pool.lent.Load())
		}
		c, s := p.connect(l)
		writers.Go(func() {
			c.Write(data)
			c.Close()
		})
		receive := func(s *Conn) {
			got, err := io.ReadAll(s)
			if err != nil || !bytes.Equal(got, data) {
				t.Errorf("with little memory %d octets arrive; %v", len(got), err)
			}
			s.Close()
		}
		receive(s)
		bounded(sleepers + 1)
		if n := s.Info().ReceiveBuffer; n > 1<<20 {
			t.Errorf("the buffer has grown to %d", n)
		}
		for _, s := range asleep {
			writers.Go(func() { receive(s) })
		}
		writers.Wait()
		quiet()
		if n := pool.lent.Load(); n != 0 {
			t.Errorf("%d pages are lent at the end", n)
		}
	})
}

// What is counted is what is lent, and the last quarter is for what has been promised.
func TestPagePool(t *testing.T) {
	p := newPagePool(8 * conn.PageSize)
	var lent []*conn.Page
	for n := 1; n <= 9; n++ {
		lent = append(lent, p.Get(conn.PageSize))
		if p.Scarce() != (n >= 6) || p.Exhausted() != (n >= 8) {
			t.Errorf("of 8 pages %d are lent: scarce %v, exhausted %v", n, p.Scarce(), p.Exhausted())
		}
	}
	for _, page := range lent {
		p.Put(page)
	}
	p.Put(p.Get(conn.LargePage))
	if p.Scarce() || p.Exhausted() || p.lent.Load() != 0 {
		t.Errorf("with all given back %d are lent", p.lent.Load())
	}
}

// An idle connection is small: what it needs only while something happens has been let go, at both ends.
func TestIdleConnectionsAreSmall(t *testing.T) {
	if raceDetector {
		t.Skip("the race detector keeps a memory of its own")
	}
	within(t, func(t *testing.T) {
		const connections, most = 10_000, 800
		p := newPair(t, Config{})
		l := p.listen()
		held := make([]*Conn, 0, 2*connections)
		heap := func() int64 {
			runtime.GC()
			runtime.GC() // what a sync.Pool holds survives the first
			var m runtime.MemStats
			runtime.ReadMemStats(&m)
			return int64(m.HeapAlloc)
		}
		before := heap()
		for range connections {
			c, s := p.connect(l)
			done := make(chan struct{})
			go func() { // waits first
				wantRead(t, s, "x")
				write(t, s, "y")
				close(done)
			}()
			quiet()
			write(t, c, "x")
			wantRead(t, c, "y")
			<-done
			if held = append(held, c, s); len(held)%1000 == 0 {
				time.Sleep(50 * time.Millisecond) // delayed ACKs, not all of them at once
			}
		}
		time.Sleep(time.Second)
		awake := (heap() - before) / (2 * connections)
		time.Sleep(20 * time.Second)
		asleep := (heap() - before) / (2 * connections)
		t.Logf("%d octets, and after a while %d", awake, asleep)
		if asleep > most {
			t.Errorf("an idle connection takes %d octets", asleep)
		}
		for i := 0; i < len(held); i += 1000 { // and goes on
			write(t, held[i], "again")
			wantRead(t, held[i+1], "again")
			write(t, held[i+1], "and back")
			wantRead(t, held[i], "and back")
		}
		runtime.KeepAlive(held)
	})
}
