//go:build !race

package stack_test

// The race detector makes these tests take a minute. It sees the same code in the tests of greedy_test.go.

import (
	"testing"
	"testing/synctest"
	"time"

	"minitcp/conn/wire"
	"minitcp/stack"
)

// A hundred thousand peers that keep their window at zero, each with 4 KiB of data to receive, never take more than the
// budget. The oldest make way for others.
func TestHundredThousandZeroWindows(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const budget, peers, waves = 32 << 20, 100_000, 4
		c := newCrowd(t, stack.Config{Memory: budget})
		c.accept(func(s *stack.Conn) {
			c.keep(s)
			s.Write(make([]byte, 4096)) // does not wait: as much fits into every send buffer
		})
		var before uint64
		for wave := range waves {
			c.connect(wave*peers/waves, (wave+1)*peers/waves, 0)
			stats := c.server.Stats()
			if used := stats["memory-used"]; used > budget+batchMemory || used < budget*7/8 {
				t.Errorf("after wave %d %d bytes are in use, want %d at most", wave, used, budget)
			}
			time.Sleep(time.Minute)
			stats = c.server.Stats()
			if used := stats["memory-used"]; used >= budget*3/4 {
				t.Errorf("a minute after wave %d %d bytes are in use, want less than three quarters", wave, used)
			}
			if reset := stats["stalled-reset"]; reset <= before {
				t.Errorf("wave %d: %d connections are reset, before it %d", wave, reset, before)
			}
			before = stats["stalled-reset"]
		}
		if opened, reset := c.counts(); opened < 10_000 || uint64(reset) != before {
			t.Errorf("%d connections were opened and %d reset, want 10,000 or more, and %d", opened, reset, before)
		}
	})
}

// Zero-window peers that connect first and then all request 4 KiB at once exceed the budget by a page for each at most,
// and are reset within 4 s until memory is no longer scarce. No connection begins meanwhile.
func TestRequestsAtOnceOfZeroWindows(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const budget, peers = 32 << 20, 10_000
		c := newCrowd(t, stack.Config{Memory: budget, Backlog: peers})
		c.accept(func(s *stack.Conn) {
			go func() {
				defer s.Close()
				if n, err := s.Read(make([]byte, 1)); n == 1 && err == nil {
					s.Write(make([]byte, 4096))
					s.Read(make([]byte, 1))
				}
			}()
		})
		c.connect(0, peers, 0)
		idle := c.server.Stats()["memory-used"]
		for i := range peers {
			at := peerAddress(i)
			c.mu.Lock()
			c.send(at, c.peers[at], wire.ACK, 0, []byte{1})
			c.peers[at].seq++
			c.mu.Unlock()
			if i%100 == 99 {
				synctest.Wait()
			}
		}
		if used := c.server.Stats()["memory-used"]; used > idle+peers*8<<10 || used < budget {
			t.Errorf("%d bytes are in use, want %d to %d", used, budget, idle+peers*8<<10)
		}
		c.connect(peers, peers+1, 0)
		if opened, _ := c.counts(); opened != peers {
			t.Errorf("%d connections are open, want %d", opened, peers)
		}
		time.Sleep(4 * time.Second)
		if used := c.server.Stats()["memory-used"]; used >= budget*3/4 {
			t.Errorf("after 4 s %d bytes are in use, want less than three quarters of %d", used, budget)
		}
		if opened, reset := c.counts(); reset == 0 || uint64(reset) != c.server.Stats()["stalled-reset"] {
			t.Errorf("of %d connections %d are reset, counted are %d", opened, reset, c.server.Stats()["stalled-reset"])
		}
	})
}

// A hundred thousand connections take three quarters of the budget or almost as much, so that memory is scarce. A byte
// far ahead on each takes at most a sixteenth: the bytes of those that have held them for the longest time are
// discarded.
func TestHundredThousandBytesAhead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const budget, peers = 104 << 20, 100_000
		c := newCrowd(t, stack.Config{Memory: budget, Backlog: peers})
		l := c.listen()
		c.connect(0, peers, 65535)
		before := c.server.Stats()["memory-used"]
		for i := range peers {
			at := peerAddress(i)
			c.mu.Lock()
			c.send(at, c.peers[at], wire.ACK, 50_000, []byte{1})
			c.mu.Unlock()
			if i%1000 == 999 {
				synctest.Wait()
				if used := c.server.Stats()["memory-used"] - before; used > budget/16+1<<20 {
					t.Fatalf("after %d peers their data takes %d bytes, want a sixteenth of %d at most", i+1, used, budget)
				}
			}
		}
		stats := c.server.Stats()
		if n := stats["connections-accepted"]; n != peers {
			t.Errorf("%d connections are open, want %d", n, peers)
		}
		if n := stats["early-data-shed"]; n < peers/4 {
			t.Errorf("the data of %d connections was discarded, want %d or more", n, peers/4)
		}
		l.Close()
	})
}

// Forty thousand peers that keep their window at zero fill three quarters of the budget with the little that each
// connection may hold. A download at 40 ms and 100 Mbit/s still takes at most twice as long as without them.
func TestDownloadWhileMemoryIsScarce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const budget, readers, size = 256 << 20, 40_000, 25_000_000
		c := newCrowd(t, stack.Config{Memory: budget})
		c.serve()
		alone := c.download(size)
		c.connect(0, readers, 0)
		time.Sleep(2 * time.Minute)
		used := c.server.Stats()["memory-used"]
		if used < budget*5/8 {
			t.Errorf("%d bytes are in use of a budget of %d, want about three quarters", used, budget)
		}
		beside := c.download(size)
		t.Logf("alone %v, beside %d readers %v; %d bytes in use", alone, readers, beside, used)
		if beside > 2*alone {
			t.Errorf("the download takes %v, alone %v", beside, alone)
		}
	})
}

// batchMemory is the memory of the connections that crowd.connect opens at once, each with a page.
const batchMemory = 100 * 10 << 10

// Zero-window peers whose data would take one and a half times the budget, ten thousand in a second, never take more
// than the budget. A client that connects right after them is admitted within 3 s, its first three SYNs, and downloads
// at half of its rate at least. A client that has read for a while and then stops for 20 s is not reset.
func TestNewcomerBesideZeroWindows(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const budget, peers, size = 64 << 20, 12_500, 25_000_000
		c := newCrowd(t, stack.Config{Memory: budget})
		c.serveGreeting(4096)
		alone := c.download(size)
		slow := c.dial()
		c.read(slow, 1<<20) // and stops
		bounded := func(when string) {
			t.Helper()
			if used := c.server.Stats()["memory-used"]; used > budget+batchMemory {
				t.Fatalf("%s %d bytes are in use, want %d at most", when, used, budget)
			}
		}
		for i := 0; i < peers; i += 100 {
			c.connect(i, i+100, 0)
			time.Sleep(10 * time.Millisecond)
			bounded("while peers connect")
		}
		begin := time.Now()
		newcomer := c.dial()
		if took := time.Since(begin); took > 3*time.Second+100*time.Millisecond {
			t.Errorf("the newcomer is admitted after %v", took)
		}
		begin = time.Now()
		c.read(newcomer, size)
		newcomer.Close()
		beside := time.Since(begin)
		bounded("after the download")
		opened, reset := c.counts()
		t.Logf("alone %v, beside %v; %d of %d opened, %d reset", alone, beside, opened, peers, reset)
		if beside > 2*alone {
			t.Errorf("the download takes %v, alone %v", beside, alone)
		}
		time.Sleep(20 * time.Second)
		if used := c.server.Stats()["memory-used"]; used >= budget*3/4 {
			t.Errorf("20 s later %d bytes are in use, want less than three quarters of %d", used, budget)
		}
		c.read(slow, 4<<20)
		slow.Close()
	})
}

// While 1,500 zero-window peers connect each second, whose data would fill the budget in five seconds, a download at
// 40 ms and 100 Mbit/s takes at most twice as long as without them. A client that has read for a while and then stops
// for 25 s is not reset.
func TestDownloadDuringZeroWindows(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const budget, each, interval, size = 64 << 20, 15, 10 * time.Millisecond, 25_000_000
		c := newCrowd(t, stack.Config{Memory: budget})
		c.serveGreeting(4096)
		alone := c.download(size)
		slow := c.dial()
		c.read(slow, 1<<20) // and stops
		stop, stopped := make(chan struct{}), make(chan struct{})
		go func() {
			defer close(stopped)
			for first, tick := 0, time.NewTicker(interval); ; first += each {
				select {
				case <-tick.C:
					c.inject(first, first+each, 0)
				case <-stop:
					tick.Stop()
					return
				}
			}
		}()
		time.Sleep(20 * time.Second)
		beside := c.download(size)
		used := c.server.Stats()["memory-used"]
		close(stop)
		<-stopped
		opened, reset := c.counts()
		t.Logf("alone %v, beside %v; %d opened, %d reset, %d bytes in use", alone, beside, opened, reset, used)
		if beside > 2*alone {
			t.Errorf("the download takes %v, alone %v", beside, alone)
		}
		if used > budget {
			t.Errorf("%d bytes are in use, want %d at most", used, budget)
		}
		if least := each * int(20*time.Second/interval); opened < least {
			t.Errorf("%d connections were opened, want %d or more", opened, least)
		}
		time.Sleep(3 * time.Second)
		c.read(slow, 4<<20)
		slow.Close()
	})
}

// serveGreeting writes to the client as serve does, and n bytes to each raw peer.
func (c *crowd) serveGreeting(n int) {
	data := make([]byte, 1<<20)
	c.accept(func(s *stack.Conn) {
		if !c.isClient(s) {
			c.keep(s)
			s.Write(data[:n]) // does not wait: as much fits into every send buffer
			return
		}
		go func() {
			defer s.Close()
			for err := error(nil); err == nil; {
				_, err = s.Write(data)
			}
		}()
	})
}
