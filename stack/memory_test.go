package stack

import (
	"bytes"
	"io"
	"sync"
	"testing"

	"minitcp/conn"
)

// Many connections share a budget: those whose application does not read hold no more than they had been promised, and
// the others go on.
func TestMemoryIsShared(t *testing.T) {
	within(t, func(t *testing.T) {
		const budget, sleepers = 8 << 20, 20
		p := newPair(t, Config{Memory: budget})
		l := p.listen()
		data := pattern(3, 4<<20)
		var asleep []*Conn
		for range sleepers {
			c, s := p.connect(l)
			go c.Write(data)
			quiet()
			asleep = append(asleep, c, s)
		}
		pool := p.b.cfg.Conn.Pages.(*pagePool)
		if !pool.Scarce() {
			t.Fatalf("%d pages are lent, and memory is not scarce", pool.lent.Load())
		}
		// What had been offered when it became scarce is one window of the beginning for each.
		if held := pool.lent.Load() * conn.PageSize; held > budget+sleepers<<20 {
			t.Errorf("%d octets are held", held)
		}
		c, s := p.connect(l)
		var ends sync.WaitGroup
		ends.Go(func() {
			c.Write(data)
			c.CloseWrite()
		})
		got, err := io.ReadAll(s)
		if err != nil || !bytes.Equal(got, data) {
			t.Errorf("with little memory %d octets arrive; %v", len(got), err)
		}
		ends.Wait()
		if n := s.Info().ReceiveBuffer; n > 1<<20 {
			t.Errorf("the buffer has grown to %d", n)
		}
		for _, c := range append(asleep, c, s) {
			c.SetLinger(0)
			c.Close()
		}
		quiet()
		if n := pool.lent.Load(); n != 0 {
			t.Errorf("%d pages are lent at the end", n)
		}
	})
}
