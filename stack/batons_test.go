package stack

import (
	"bytes"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"minitcp/stack/stacktest"
)

// far makes what p's stacks send arrive 20 µs later, in order, and calls seen with each frame that a or b sends.
func far(p *pair, seen func(from *Stack)) {
	for _, way := range []struct {
		from   *Stack
		of, to *stacktest.Device
	}{{p.a, p.da, p.db}, {p.b, p.db, p.da}} {
		type late struct {
			frame []byte
			at    time.Time
		}
		line := make(chan late, 1<<14)
		end := make(chan struct{})
		var running sync.WaitGroup
		p.t.Cleanup(func() { close(end); running.Wait() })
		running.Go(func() {
			for {
				select {
				case <-end:
					return
				case l := <-line:
					time.Sleep(time.Until(l.at))
					way.to.Inject(l.frame)
				}
			}
		})
		way.of.SetHook(func(frame []byte) stacktest.Fate {
			seen(way.from)
			line <- late{bytes.Clone(frame), time.Now().Add(20 * time.Microsecond)}
			return stacktest.Drop
		})
	}
}

// Many connections at once move their data in turn, and all of it arrives, whether they have much or little; those that have
// said all keep none of the others waiting.
func TestManyTakeTurns(t *testing.T) {
	within(t, func(t *testing.T) {
		p := newPair(t, Config{})
		var writers, windows atomic.Int64 // the most that waited
		far(p, func(from *Stack) {
			writers.Store(max(writers.Load(), p.a.writing.waiting.Load()))
			windows.Store(max(windows.Load(), p.b.offering.waiting.Load()))
		})
		l := p.listen()
		const flows = 16
		var all sync.WaitGroup
		for i := range flows {
			c, s := p.connect(l)
			data := pattern(uint64(i), 5<<20+i*400_000)
			all.Go(func() {
				if n, err := c.Write(data); n != len(data) || err != nil {
					t.Errorf("flow %d: wrote %d octets: %v", i, n, err)
				}
			})
			all.Go(func() { receiveAll2(t, s, data) })
		}
		all.Wait()
		if n := writers.Load(); n < flows/2 {
			t.Errorf("of %d connections that send no more than %d waited for others", flows, n)
		}
		if n := windows.Load(); n < 4 { // no more than four send at a time
			t.Errorf("of %d connections that receive no more than %d waited for others", flows, n)
		}
	})
}

// Who sends what it is offered in time is offered more, and else less.
func TestOffers(t *testing.T) {
	within(t, func(t *testing.T) {
		p := newPair(t, Config{})
		far(p, func(*Stack) {})
		l := p.listen()
		var all sync.WaitGroup
		var receivers []*Conn
		for i := range 2 * fewBatons {
			c, s := p.connect(l)
			receivers = append(receivers, s)
			data := pattern(uint64(i), 9<<20)
			all.Go(func() { c.Write(data) })
			all.Go(func() { receiveAll2(t, s, data) })
		}
		all.Wait()
		grown := 0
		for _, s := range receivers {
			s.entry.mu.Lock()
			if s.window != nil && s.window.octets >= 4*leastOffer {
				grown++
			}
			s.entry.mu.Unlock()
		}
		if grown < 2 { // the others had all their data before there was a crowd
			t.Errorf("of %d connections %d are offered more than to begin with", len(receivers), grown)
		}
	})
	w := &bulkWindow{octets: batonOctets}
	for _, want := range []int{batonOctets / 2, batonOctets / 4} {
		if w.learn(false); w.octets != want {
			t.Errorf("%d octets are offered, want %d", w.octets, want)
		}
	}
	for range 10 {
		w.learn(false)
	}
	if w.octets != leastOffer {
		t.Errorf("%d octets are offered, want %d", w.octets, leastOffer)
	}
}

// Peers that do not read keep nobody else waiting.
func TestPeersThatDoNotRead(t *testing.T) {
	within(t, func(t *testing.T) {
		p := newPair(t, Config{})
		far(p, func(*Stack) {})
		l := p.listen()
		var stuck, all sync.WaitGroup
		much := pattern(1, 16<<20) // more than both ends hold
		for range 3 * fewBatons {
			c, _ := p.connect(l)
			stuck.Go(func() {
				c.SetWriteDeadline(time.Now().Add(time.Minute))
				_, err := c.Write(much)
				wantOpError(t, err, "write", os.ErrDeadlineExceeded)
			})
		}
		quiet()
		begin := time.Now()
		for i := range 3 * fewBatons {
			c, s := p.connect(l)
			data := pattern(uint64(i), 4<<20)
			all.Go(func() { c.Write(data) })
			all.Go(func() { receiveAll2(t, s, data) })
		}
		all.Wait()
		took(t, begin, 0, time.Second)
		stuck.Wait()
	})
}

// which is which baton t has, or which is free if t is nil; -1: none.
func which(b *batons, t *baton) int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.find(t)
}

// occupy gives all batons to a connection that does nothing with them.
func occupy(b *batons, c *Conn) {
	for range fewBatons {
		b.take(&baton{conn: c})
	}
}

// waiting lets a Write wait for a baton. What it ends with comes on failed.
func (p *pair) waiting() (c, s *Conn, failed <-chan error) {
	p.t.Helper()
	l := p.listen()
	c, s = p.connect(l)
	other, _ := p.connect(l)
	occupy(p.a.writing, other)
	c.entry.mu.Lock()
	c.bulk = &bulkWriter{baton: baton{conn: c}, full: p.a.clock.now()}
	c.entry.mu.Unlock()
	ended := make(chan error, 1)
	go func() {
		_, err := c.Write([]byte("x"))
		ended <- err
	}()
	quiet()
	if p.a.writing.waiting.Load() != 1 {
		p.t.Error("it does not wait for a baton")
	}
	return c, s, ended
}

// A baton is taken from who does nothing with it, but only if somebody else needs it.
func TestBatonIsTakenAway(t *testing.T) {
	within(t, func(t *testing.T) {
		p := newPair(t, Config{})
		l := p.listen()
		c, s := p.connect(l)
		other, _ := p.connect(l)
		occupy(p.a.writing, other)
		time.Sleep(time.Hour)
		if which(p.a.writing, nil) >= 0 {
			t.Error("a baton was taken away, and nobody needs it")
		}
		begin := time.Now()
		write(t, c, "no bulk")
		c.entry.mu.Lock()
		c.bulk = &bulkWriter{baton: baton{conn: c}, full: p.a.clock.now()}
		c.entry.mu.Unlock()
		wantRead(t, s, "no bulk")
		took(t, begin, 0, 0)
		write(t, c, "bulk")
		wantRead(t, s, "bulk")
		took(t, begin, batonTick, batonTick)
		time.Sleep(time.Second) // a delayed ACK
		if which(p.a.writing, &c.bulk.baton) >= 0 {
			t.Error("what was written is acknowledged, and the baton was kept")
		}
	})
}

// Who gives up waiting for a baton gets none.
func TestGivingUpABaton(t *testing.T) {
	for name, give := range map[string]struct {
		up   func(*Conn)
		want error
	}{
		"deadline": {func(c *Conn) { c.SetWriteDeadline(time.Now()) }, os.ErrDeadlineExceeded},
		"close":    {func(c *Conn) { c.Close() }, net.ErrClosed},
	} {
		within(t, func(t *testing.T) {
			p := newPair(t, Config{})
			c, _, failed := p.waiting()
			give.up(c)
			wantOpError(t, <-failed, "write", give.want)
			time.Sleep(2 * batonTime)
			if p.a.writing.waiting.Load() != 0 || which(p.a.writing, nil) < 0 {
				t.Errorf("%s: it still has a baton, or waits for one", name)
			}
		})
	}
}

// freeBatons returns batons that somebody always wants, and a connection to have them.
func freeBatons(t *testing.T) (*batons, *Conn) {
	p := newPair(t, Config{})
	c, _ := p.connect(p.listen())
	b := newBatons(p.a.clock, func(*baton) bool { return true }, nil)
	t.Cleanup(b.close)
	return b, c
}

// A baton is taken from who has had it for long, whatever is done with it.
func TestBatonTime(t *testing.T) {
	within(t, func(t *testing.T) {
		b, c := freeBatons(t)
		var busy [fewBatons]*baton
		for i := range busy {
			busy[i] = &baton{conn: c}
			b.take(busy[i])
		}
		waits := &baton{conn: c}
		b.take(waits)
		use := func(d time.Duration) {
			for range d / time.Millisecond {
				time.Sleep(time.Millisecond)
				for _, t := range busy {
					t.used.Store(true)
				}
			}
		}
		use(batonTime - time.Millisecond)
		if which(b, waits) >= 0 {
			t.Error("a baton was taken away too early")
		}
		use(2 * batonTick)
		if which(b, waits) < 0 {
			t.Error("no baton was taken away")
		}
	})
}

// While frames wait in the device no window is opened in place of one that is not used, but for so long.
func TestBatonsAndWaitingFrames(t *testing.T) {
	junk := func(n int) (frames [][]byte) {
		for range n {
			frames = append(frames, make([]byte, 40))
		}
		return frames
	}
	for name, c := range map[string]struct {
		last int  // frames of the last batch
		on   bool // such a batch comes with every millisecond
		want time.Duration
	}{
		"none":  {0, false, batonTick},
		"full":  {batch, true, busyTime},
		"ended": {batch, false, batonTime},
		"rest":  {batch - 1, true, batonTick},
	} {
		within(t, func(t *testing.T) {
			s, device := newBatches(t)
			if c.last > 0 {
				device.next <- junk(batch)
				device.next <- junk(c.last)
			}
			quiet()
			idle := &Conn{entry: &entry{}}
			occupy(s.offering, idle)
			holders := s.offering.holders // as long as nobody waits they keep theirs
			s.offering.take(&baton{conn: idle})
			begin := time.Now()
			for which(s.offering, holders[0]) >= 0 && time.Since(begin) < 2*busyTime {
				for _, holder := range holders {
					holder.used.Store(false)
				}
				if c.on {
					device.next <- junk(c.last)
				}
				time.Sleep(time.Millisecond)
			}
			if d := time.Since(begin); d < c.want || d > c.want+2*batonTick {
				t.Errorf("%s: a baton was taken away after %v, want %v", name, d, c.want)
			}
		})
	}
}

// The timer that takes batons away cannot be put off by those who pass on theirs, so that the queue is empty now and then.
func TestBatonTimer(t *testing.T) {
	within(t, func(t *testing.T) {
		b, c := freeBatons(t)
		dead := &baton{conn: c}
		b.take(dead)
		for range fewBatons - 2 {
			b.take(&baton{conn: c})
		}
		has, waits := &baton{conn: c}, &baton{conn: c}
		b.take(has)
		b.take(waits)
		for range 10 * batonTick / time.Millisecond {
			time.Sleep(time.Millisecond)
			if which(b, waits) >= 0 {
				break
			}
			c.entry.mu.Lock()
			b.done(has)
			b.take(has)
			c.entry.mu.Unlock()
			has, waits = waits, has
		}
		if which(b, dead) >= 0 {
			t.Error("a baton that nobody uses was not taken away")
		}
	})
}

// A Write that waits for a baton ends with its connection, and with CloseWrite; so does one when the stack is closed.
func TestEndWhileWaiting(t *testing.T) {
	for name, end := range map[string]struct {
		how  func(p *pair, c, s *Conn)
		want error
	}{
		"reset":      {func(p *pair, c, s *Conn) { s.SetLinger(0); s.Close() }, syscall.ECONNRESET},
		"half-close": {func(p *pair, c, s *Conn) { c.CloseWrite() }, syscall.EPIPE},
		"stack":      {func(p *pair, c, s *Conn) { p.a.Close() }, net.ErrClosed},
		"reset, stack": {func(p *pair, c, s *Conn) {
			s.SetLinger(0)
			s.Close()
			quiet()
			p.a.Close()
		}, syscall.ECONNRESET},
	} {
		within(t, func(t *testing.T) {
			p := newPair(t, Config{})
			c, s, failed := p.waiting()
			end.how(p, c, s)
			quiet()
			select {
			case err := <-failed:
				wantOpError(t, err, "write", end.want)
			default:
				t.Errorf("%s: Write still waits", name)
				c.Close()
			}
		})
	}
}

// A connection that ends passes on its batons at once.
func TestEndPassesBatons(t *testing.T) {
	for name, end := range map[string]func(c, s *Conn){
		"close": func(c, s *Conn) { c.Close() },
		"reset": func(c, s *Conn) { s.SetLinger(0); s.Close() },
	} {
		within(t, func(t *testing.T) {
			p := newPair(t, Config{})
			c, s := p.connect(p.listen())
			c.entry.mu.Lock()
			c.bulk, c.window = &bulkWriter{baton: baton{conn: c}}, &bulkWindow{baton: baton{conn: c}}
			c.entry.mu.Unlock()
			p.a.writing.need(&c.bulk.baton)
			p.a.offering.need(&c.window.baton)
			mine := which(p.a.writing, &c.bulk.baton)
			end(c, s)
			quiet()
			if mine < 0 || p.a.writing.holders != [fewBatons]*baton{} || p.a.offering.holders != [fewBatons]*baton{} {
				t.Errorf("%s: a baton is still held", name)
			}
		})
	}
}
