//go:build !race

package stack

import (
	"runtime"
	"testing"
	"time"
)

// An idle connection is small: both ends have released the state that only transfers need.
// (Not with the race detector, which keeps a memory of its own.)
func TestIdleConnectionsAreSmall(t *testing.T) {
	within(t, func(t *testing.T) {
		const connections, most = 10_000, 1024
		p := newPair(t, Config{})
		l := p.listen()
		held := make([]*Conn, 0, 2*connections)
		heap := func() int64 {
			runtime.GC()
			runtime.GC() // the contents of a sync.Pool survive the first
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
		active := (heap() - before) / (2 * connections)
		time.Sleep(20 * time.Second)
		idle := (heap() - before) / (2 * connections)
		t.Logf("%d bytes while active, %d while idle", active, idle)
		if idle > most {
			t.Errorf("an idle connection takes %d bytes, want at most %d", idle, most)
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
