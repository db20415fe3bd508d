package stack

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"runtime"
	"sync"
	"syscall"
	"testing"
	"time"

	"minitcp/stack/stacktest"
)

// echoer is a Handler that echoes data, closes after its peer, and records its calls.
type echoer struct {
	t *testing.T

	mu      sync.Mutex
	waiting map[*Conn][]byte // data for which there was no room
	inside  map[*Conn]bool   // a call is under way
	calls   []string
	ends    []error
}

func newEchoer(t *testing.T) *echoer {
	return &echoer{t: t, waiting: make(map[*Conn][]byte), inside: make(map[*Conn]bool)}
}

// enter notes a call, and that it is the only one for c.
func (h *echoer) enter(c *Conn, call string) (leave func()) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.inside[c] {
		h.t.Errorf("%s while another call is under way", call)
	}
	h.inside[c] = true
	if n := len(h.calls); n == 0 || h.calls[n-1] != call {
		h.calls = append(h.calls, call)
	}
	return func() {
		h.mu.Lock()
		defer h.mu.Unlock()
		h.inside[c] = false
	}
}

func (h *echoer) open(c *Conn) Handler {
	h.enter(c, "opened")()
	return h
}

func (h *echoer) Received(c *Conn, data []byte) int {
	defer h.enter(c, "received")()
	h.mu.Lock()
	h.waiting[c] = append(h.waiting[c], data...)
	h.mu.Unlock()
	h.flush(c)
	return len(data)
}

func (h *echoer) Writable(c *Conn) {
	defer h.enter(c, "writable")()
	h.flush(c)
}

func (h *echoer) flush(c *Conn) {
	h.mu.Lock()
	p := h.waiting[c]
	h.mu.Unlock()
	n, err := c.TryWrite(p)
	if err != nil {
		h.t.Errorf("TryWrite: %v", err)
	}
	h.mu.Lock()
	h.waiting[c] = p[n:]
	ended := n == len(p) && len(h.ends) > 0
	h.mu.Unlock()
	if ended {
		c.Close()
	}
}

func (h *echoer) Ended(c *Conn, err error) {
	defer h.enter(c, "ended")()
	h.mu.Lock()
	h.ends = append(h.ends, err)
	empty := len(h.waiting[c]) == 0
	h.mu.Unlock()
	if empty || err != io.EOF {
		c.Close()
	}
}

// want checks the calls made so far, repetitions left out, and the errors of Ended.
func (h *echoer) want(end error, calls ...string) {
	h.t.Helper()
	h.mu.Lock()
	defer h.mu.Unlock()
	same := len(calls) == len(h.calls)
	for i := 0; same && i < len(calls); i++ {
		same = calls[i] == h.calls[i]
	}
	if !same {
		h.t.Errorf("called were %q, want %q", h.calls, calls)
	}
	switch {
	case end == nil && len(h.ends) == 0:
	case len(h.ends) != 1 || !errors.Is(h.ends[0], end):
		h.t.Errorf("ended with %v, want %v", h.ends, end)
	}
}

// handle makes b echo on port 80 with a Handler.
func (p *pair) handle() *echoer {
	p.t.Helper()
	h := newEchoer(p.t)
	if _, err := p.b.Handle("tcp", ":80", h.open); err != nil {
		p.t.Fatal(err)
	}
	return h
}

func (p *pair) dial() *Conn {
	p.t.Helper()
	c, err := p.a.Dial("tcp", "10.77.0.2:80")
	if err != nil {
		p.t.Fatal(err)
	}
	p.used = append(p.used, c)
	return c.(*Conn)
}

// A connection's life, with a Handler on one side.
func TestHandler(t *testing.T) {
	within(t, func(t *testing.T) {
		p := newPair(t, Config{})
		h := p.handle()
		c := p.dial()
		quiet()
		h.want(nil, "opened")
		for range 3 {
			write(t, c, "hello")
			wantRead(t, c, "hello")
		}
		h.want(nil, "opened", "received")
		c.CloseWrite()
		wantEOF(t, c)
		h.want(io.EOF, "opened", "received", "ended")
		c.Close()
		quiet()
		if n := len(p.b.Connections()); n != 0 {
			t.Errorf("%d connections are left", n)
		}
	})
}

// The answer to a segment is its acknowledgment, too.
func TestHandlerAnswersAtOnce(t *testing.T) {
	within(t, func(t *testing.T) {
		p := newPair(t, Config{})
		p.handle()
		c := p.dial()
		write(t, c, "once")
		wantRead(t, c, "once")
		quiet()
		before := p.db.Counts().Sent
		write(t, c, "ping")
		wantRead(t, c, "ping")
		quiet()
		if n := p.db.Counts().Sent - before; n != 1 {
			t.Errorf("a ping was answered with %d frames", n)
		}
	})
}

// Data for which TryWrite has no room is written when there is room. None is lost or mixed, whatever its queue.
func TestHandlerUnderLoad(t *testing.T) {
	for _, queues := range []int{1, 3} {
		within(t, func(t *testing.T) {
			p := newPairOn(t, stacktest.Config{Queues: queues}, Config{}, Config{})
			h := newEchoer(t)
			if _, err := p.b.Handle("tcp", ":80", h.open); err != nil {
				t.Fatal(err)
			}
			c := p.dial()
			data := make([]byte, 5<<20)
			rand.NewChaCha8([32]byte{1}).Read(data)
			go func() {
				c.Write(data)
				c.CloseWrite()
			}()
			quiet() // the client does not read: everything fills up
			h.mu.Lock()
			full := len(h.waiting) == 1
			h.mu.Unlock()
			if !full {
				t.Error("there was room for everything")
			}
			got, err := io.ReadAll(c)
			if err != nil || !bytes.Equal(got, data) {
				t.Errorf("%d bytes came back, which are not the %d sent; %v", len(got), len(data), err)
			}
			c.Close()
		})
	}
}

func TestHandlerEnds(t *testing.T) {
	t.Run("reset", func(t *testing.T) {
		within(t, func(t *testing.T) {
			p := newPair(t, Config{})
			h := p.handle()
			c := p.dial()
			c.SetLinger(0)
			c.Close()
			quiet()
			h.want(syscall.ECONNRESET, "opened", "ended")
		})
	})
	t.Run("stack closed", func(t *testing.T) {
		within(t, func(t *testing.T) {
			p := newPair(t, Config{})
			h := p.handle()
			c := p.dial()
			write(t, c, "x")
			wantRead(t, c, "x")
			p.b.Close()
			h.want(net.ErrClosed, "opened", "received", "ended")
			c.Close()
		})
	})
	t.Run("timeout", func(t *testing.T) {
		within(t, func(t *testing.T) {
			p := newPair(t, Config{})
			h := p.handle()
			c := p.dial()
			p.db.SetHook(func([]byte) stacktest.Fate { return stacktest.Drop })
			write(t, c, "the answer is lost")
			time.Sleep(time.Hour)
			h.want(syscall.ETIMEDOUT, "opened", "received", "ended")
			c.SetLinger(0)
			c.Close()
		})
	})
}

// Connections with a Handler have no goroutine.
func TestHandlerNeedsNoGoroutine(t *testing.T) {
	within(t, func(t *testing.T) {
		p := newPair(t, Config{})
		p.handle()
		before := runtime.NumGoroutine()
		for range 100 {
			defer p.dial().Close()
		}
		quiet()
		if n := runtime.NumGoroutine(); n > before {
			t.Errorf("%d goroutines more", n-before)
		}
	})
}

// TryWrite works on a connection without a Handler.
func TestTryWrite(t *testing.T) {
	within(t, func(t *testing.T) {
		p := newPair(t, Config{})
		c, s := p.connect(p.listen())
		total := 0
		for {
			n, err := c.TryWrite(make([]byte, 100_000))
			if err != nil {
				t.Fatal(err)
			}
			total += n
			quiet()
			if n == 0 {
				break
			}
		}
		if total < 1<<20 {
			t.Errorf("%d bytes were taken", total)
		}
		c.CloseWrite()
		if n, err := c.TryWrite([]byte("x")); n != 0 || !errors.Is(err, syscall.EPIPE) {
			t.Errorf("after CloseWrite: %d, %v", n, err)
		}
		if got, err := io.ReadAll(s); len(got) != total || err != nil {
			t.Errorf("read %d bytes of %d; %v", len(got), total, err)
		}
		c.Close()
		if _, err := c.TryWrite([]byte("x")); !errors.Is(err, net.ErrClosed) {
			t.Errorf("after Close: %v", err)
		}
		s.Close()
	})
}

func TestHandleWithoutOpen(t *testing.T) {
	within(t, func(t *testing.T) {
		p := newPair(t, Config{})
		l, err := p.b.Handle("tcp", ":80", nil)
		if l != nil || !errors.Is(err, syscall.EINVAL) {
			t.Errorf("Handle(nil): %v, %v; want %v", l, err, syscall.EINVAL)
		}
	})
}

// answer is a Handler that echoes data.
type answer struct{}

func (answer) Received(c *Conn, data []byte) int { n, _ := c.TryWrite(data); return n }
func (answer) Writable(*Conn)                    {}
func (answer) Ended(*Conn, error)                {}
