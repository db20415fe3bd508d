package stack

import (
	"bytes"
	"io"
	"sync"
	"testing"

	"minitcp/conn/buffer"
	"minitcp/stack/internal/memory"
	"minitcp/stack/stacktest"
)

// Many connections share a budget. Those whose application does not read cannot exceed it, whatever they were promised;
// another goes on beside them, and so do they when they are read.
func TestMemoryIsShared(t *testing.T) {
	within(t, func(t *testing.T) {
		const budget, sleepers = 4 << 20, 30
		p := newPairOn(t, stacktest.Config{}, Config{}, Config{Memory: budget})
		pool := p.b.cfg.Conn.Pool.(*memory.Pool)
		bounded := func(connections int64) {
			t.Helper()
			if held := pool.Lent() * buffer.PageSize; held > budget+connections*160<<10 {
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
			wantBytes(t, s, data[:1<<16])
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
			t.Fatalf("%d pages are lent, and there is memory left", pool.Lent())
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
		if n := pool.Lent(); n != 0 {
			t.Errorf("%d pages are lent at the end", n)
		}
	})
}
