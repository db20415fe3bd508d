package stack

import (
	"bytes"
	"io"
	"sync"
	"testing"

	"minitcp/conn/buffer"
	"minitcp/stack/stacktest"
)

// Many connections share a budget. Those whose application does not read cannot exceed it, whatever they were promised;
// another goes on beside them, and so do they when they are read.
func TestMemoryIsShared(t *testing.T) {
	within(t, func(t *testing.T) {
		const budget, sleepers = 4 << 20, 30
		p := newPairOn(t, stacktest.Config{}, Config{}, Config{Memory: budget})
		pool := p.b.cfg.Conn.Pool.(*pagePool)
		bounded := func(connections int64) {
			t.Helper()
			if held := pool.lent.Load() * buffer.PageSize; held > budget+connections*160<<10 {
				t.Errorf("%d bytes are held", held)
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
			t.Fatalf("only %d bytes are promised", promised)
		}
		for i, c := range awake {
			writers.Go(func() {
				c.Write(data)
				c.Close()
			})
			quiet()
			bounded(int64(i + 1))
		}
		if pool.Level() != buffer.Exhausted {
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
				t.Errorf("with little memory %d bytes arrive; %v", len(got), err)
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

// However many buffers take their share, together they take at most an eighth of the budget, and 8 MiB.
func TestPagePoolShare(t *testing.T) {
	if share := newPagePool(512 << 20).Share(); share != 4<<20 {
		t.Errorf("with a budget of 512 MiB the share is %d bytes, want 4 MiB", share)
	}
	p := newPagePool(800 * buffer.PageSize)
	for _, want := range []int{50, 25, 12, 6, 3, 2, 1} {
		if share := p.Share(); share != want*buffer.PageSize {
			t.Errorf("with %d pages lent the share is %d bytes, want %d", p.lent.Load(), share, want*buffer.PageSize)
		}
		for range want {
			p.Get(buffer.PageSize)
		}
	}
	p.Get(buffer.LargePage)
	if share := p.Share(); share != 0 {
		t.Errorf("with %d pages lent the share is %d bytes", p.lent.Load(), share)
	}
}

// The pool counts the pages in use. Memory is scarce from three quarters of the budget on.
func TestPagePool(t *testing.T) {
	levels := [...]buffer.Level{6: buffer.Scarce, 7: buffer.Scarce, 8: buffer.Exhausted, 9: buffer.Exhausted}
	p := newPagePool(8 * buffer.PageSize)
	var lent []*buffer.Page
	for n := 1; n <= 9; n++ {
		lent = append(lent, p.Get(buffer.PageSize))
		if want := levels[n]; p.Level() != want {
			t.Errorf("of 8 pages %d are lent: level %v, want %v", n, p.Level(), want)
		}
	}
	for _, page := range lent {
		p.Put(page)
	}
	p.Put(p.Get(buffer.LargePage))
	if p.Level() != buffer.NoPressure || p.lent.Load() != 0 {
		t.Errorf("with all given back %d are lent", p.lent.Load())
	}
}
