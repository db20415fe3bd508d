package stack

import (
	"bytes"
	"io"
	"slices"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"minitcp/conn/buffer"
	"minitcp/stack/internal/memory"
)

// bouncer is the shortest Handler that echoes.
type bouncer struct{ ends chan error }

func (bouncer) Received(c *Conn, p []byte) int { n, _ := c.TryWrite(p); return n }
func (bouncer) Writable(*Conn)                 {}
func (b bouncer) Ended(c *Conn, err error)     { b.ends <- err; c.Close() }

func (p *pair) serve(h Handler) {
	p.t.Helper()
	if _, err := p.b.Handle("tcp", ":80", func(*Conn) Handler { return h }); err != nil {
		p.t.Fatal(err)
	}
}

// A client that sends and never reads fills the buffers of both sides and no more; when it reads, all data comes back.
func TestHandlerBackPressure(t *testing.T) {
	within(t, func(t *testing.T) {
		p := newPair(t, Config{})
		h := bouncer{make(chan error, 1)}
		p.serve(h)
		c := p.dial()
		data := pattern(1, 64<<20)
		var sent atomic.Int64
		go func() {
			for part := range slices.Chunk(data, 1<<16) {
				n, _ := c.Write(part)
				sent.Add(int64(n))
			}
			c.CloseWrite()
		}()
		time.Sleep(time.Minute)
		if n, limit := sent.Load(), int64(48<<20); n > limit {
			t.Errorf("the stack took %d bytes from a client that does not read, want at most %d", n, limit)
		}
		got, err := io.ReadAll(c)
		if err != nil || !bytes.Equal(got, data) {
			t.Errorf("%d bytes came back, want the %d that were sent; %v", len(got), len(data), err)
		}
		if err := <-h.ends; err != io.EOF {
			t.Errorf("Ended with %v, want EOF", err)
		}
		c.Close()
	})
}

// A reset ends a connection whose Handler has not taken all data, and its memory comes back.
func TestHandlerPausedAndReset(t *testing.T) {
	within(t, func(t *testing.T) {
		p := newPair(t, Config{})
		h := bouncer{make(chan error, 1)}
		p.serve(h)
		c := p.dial()
		c.SetWriteDeadline(time.Now().Add(time.Minute))
		c.Write(make([]byte, 64<<20))
		c.SetLinger(0)
		c.Close()
		quiet()
		select {
		case err := <-h.ends:
			wantOpError(t, err, "read", syscall.ECONNRESET)
		default:
			t.Error("Ended has not been called after a RST")
		}
		if n := p.b.cfg.Conn.Pool.(*memory.Pool).Lent(); n != 0 {
			t.Errorf("%d pages are lent after the end", n)
		}
	})
}

// pauser takes one byte a call.
type pauser struct{ got []byte }

func (h *pauser) Received(_ *Conn, p []byte) int { h.got = append(h.got, p[0]); return 1 }
func (*pauser) Writable(*Conn)                   {}
func (*pauser) Ended(c *Conn, _ error)           { c.Close() }

// Received is not called again before Resume, and then with the bytes that it did not take, in order.
func TestResume(t *testing.T) {
	within(t, func(t *testing.T) {
		p := newPair(t, Config{})
		h := new(pauser)
		served := make(chan *Conn, 1)
		p.b.Handle("tcp", ":80", func(c *Conn) Handler { served <- c; return h })
		c := p.dial()
		s := <-served
		write(t, c, "abc")
		c.CloseWrite()
		for _, want := range []string{"a", "ab", "abc"} {
			time.Sleep(time.Second)
			quiet()
			if string(h.got) != want {
				t.Errorf("taken is %q, want %q", h.got, want)
			}
			s.Resume()
		}
		wantEOF(t, c)
		c.Close()
	})
}

// eager takes one byte a call and resumes, so that a call is always due while there is data.
type eager struct{ calls map[time.Time]int }

func (h *eager) Received(c *Conn, _ []byte) int { h.calls[time.Now()]++; c.Resume(); return 1 }
func (*eager) Writable(*Conn)                   {}
func (*eager) Ended(c *Conn, _ error)           { c.Close() }

// A Handler for which a call is always due gets callsAtOnce of them, then the timers of other connections run.
func TestHandlerCallsAtOnce(t *testing.T) {
	within(t, func(t *testing.T) {
		p := newPair(t, Config{})
		h := &eager{make(map[time.Time]int)}
		p.serve(h)
		c := p.dial()
		const size = 1000
		write(t, c, string(make([]byte, size)))
		time.Sleep(time.Minute)
		quiet()
		total := 0
		for at, n := range h.calls {
			total += n
			if n > 2*callsAtOnce { // a turn of the queue's and one of the timer's
				t.Errorf("%d calls at %v, want at most %d", n, at, 2*callsAtOnce)
			}
		}
		if total != size {
			t.Errorf("%d calls, want %d", total, size)
		}
		c.Close()
	})
}

// A Write that has the connection makes TryWrite take nothing; Writable follows when the Write has ended.
func TestTryWriteBesideWrite(t *testing.T) {
	within(t, func(t *testing.T) {
		p := newPair(t, Config{})
		served := make(chan *Conn, 1)
		h := &writableCounter{}
		p.b.Handle("tcp", ":80", func(c *Conn) Handler { served <- c; return h })
		c := p.dial()
		s := <-served
		done := make(chan struct{})
		s.SetWriteDeadline(time.Now().Add(time.Minute))
		go func() { s.Write(make([]byte, 64<<20)); close(done) }()
		quiet()
		if n, err := s.TryWrite([]byte("x")); n != 0 || err != nil {
			t.Fatalf("TryWrite beside Write: %d, %v; want 0, nil", n, err)
		}
		go io.Copy(io.Discard, c)
		<-done
		time.Sleep(time.Second)
		if n := h.calls.Load(); n != 1 {
			t.Errorf("Writable was called %d times, want 1", n)
		}
		c.Close()
	})
}

type writableCounter struct{ calls atomic.Int64 }

func (*writableCounter) Received(_ *Conn, p []byte) int { return len(p) }
func (h *writableCounter) Writable(*Conn)               { h.calls.Add(1) }
func (*writableCounter) Ended(c *Conn, _ error)         { c.Close() }

// refuser takes nothing.
type refuser struct{}

func (refuser) Received(*Conn, []byte) int { return 0 }
func (refuser) Writable(*Conn)             {}
func (refuser) Ended(c *Conn, _ error)     { c.Close() }

// The bytes that Received does not take count as memory of Config.Memory, be they few or many, and come back with the
// end.
func TestHandlerMemoryIsCounted(t *testing.T) {
	for _, size := range []int{1, 1000, 50_000, 500_000} {
		within(t, func(t *testing.T) {
			p := newPair(t, Config{})
			p.serve(refuser{})
			c := p.dial()
			write(t, c, string(make([]byte, size)))
			time.Sleep(time.Second)
			pool := p.b.cfg.Conn.Pool.(*memory.Pool)
			if held := pool.Used() * buffer.PageSize; held < int64(size) {
				t.Errorf("%d bytes of memory are in use for %d bytes that were not taken", held, size)
			}
			if info := p.b.Connections()[0].Info; info.Unread != size {
				t.Errorf("%d bytes are in the receive buffer, want %d", info.Unread, size)
			}
			c.SetLinger(0)
			c.Close()
			quiet()
			wantNothingHeld(t, p.b, 0)
		})
	}
}

// sluggish is a Handler that blocks in Received, although it must not.
type sluggish struct{ inside chan struct{} }

func (h sluggish) Received(_ *Conn, data []byte) int {
	h.inside <- struct{}{}
	time.Sleep(time.Minute)
	return len(data)
}
func (sluggish) Writable(*Conn)         {}
func (sluggish) Ended(c *Conn, _ error) { c.Close() }

// The timers of other connections run while a Handler is slow.
func TestSlowHandlerLeavesTimersAlone(t *testing.T) {
	within(t, func(t *testing.T) {
		p := newPair(t, Config{})
		h := sluggish{make(chan struct{}, 1)}
		if _, err := p.b.Handle("tcp", ":81", func(*Conn) Handler { return h }); err != nil {
			t.Fatal(err)
		}
		_, other := p.connect(p.listen())
		served, err := p.a.Dial("tcp", "10.77.0.2:81")
		if err != nil {
			t.Fatal(err)
		}
		write(t, served, "x")
		<-h.inside
		write(t, other, "is not acknowledged, because the goroutine that reads is in the Handler")
		time.Sleep(10 * time.Second)
		if n := other.Info().Retransmitted; n < 3 {
			t.Errorf("%d retransmissions in 10 s, want at least 3", n)
		}
		time.Sleep(time.Minute)
		served.Close()
	})
}
