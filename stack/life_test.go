package stack

import (
	"context"
	"errors"
	"io"
	"math"
	"net"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// A deadline given by the wall clock's reading is kept by the monotonic one. The test runs outside a synctest bubble,
// whose times have no monotonic reading.
func TestDeadlineIsMonotonic(t *testing.T) {
	var mu sync.Mutex
	d := deadline{mu: &mu}
	mu.Lock()
	defer mu.Unlock()
	d.set(time.Now().Add(time.Hour).Round(0))
	defer d.stop()
	if !strings.Contains(d.at.String(), "m=") {
		t.Errorf("the deadline %v has no monotonic reading", d.at)
	}
}

// A deadline whose timer fires early passes at its time nevertheless.
func TestDeadlineTimerFiresEarly(t *testing.T) {
	within(t, func(t *testing.T) {
		var mu sync.Mutex
		d := deadline{mu: &mu}
		mu.Lock()
		d.set(time.Now().Add(time.Second))
		d.timer.Stop()
		mu.Unlock()
		d.expire() // early
		for _, want := range []bool{false, true} {
			mu.Lock()
			if d.passed != want {
				t.Errorf("passed is %v, want %v", d.passed, want)
			}
			mu.Unlock()
			time.Sleep(2 * time.Second)
		}
	})
}

// Dial and Listen fail as soon as Shutdown has begun, and Shutdown waits for the connections there are.
func TestShutdownStopsDial(t *testing.T) {
	within(t, func(t *testing.T) {
		p := newPair(t, Config{})
		l := p.listen()
		_, server := p.connect(l)
		done := make(chan error)
		go func() { done <- p.a.Shutdown(context.Background()) }()
		quiet()
		select {
		case err := <-done:
			t.Fatalf("Shutdown returned %v while a connection was open", err)
		default:
		}
		if c, err := p.a.Dial("tcp", "10.77.0.2:80"); !errors.Is(err, net.ErrClosed) {
			t.Errorf("Dial during Shutdown: %v, %v; want %v", c, err, net.ErrClosed)
		}
		if _, err := p.a.Listen("tcp", ":81"); !errors.Is(err, net.ErrClosed) {
			t.Errorf("Listen during Shutdown: %v, want %v", err, net.ErrClosed)
		}
		server.Close()
		if err := <-done; err != nil {
			t.Errorf("Shutdown: %v", err)
		}
	})
}

// The queue of an active OPEN is in range whatever the number of OPENs, also where int has 32 bits.
func TestQueueFor(t *testing.T) {
	s := &Stack{loop: loop{number: 3}}
	s.addresses.Store(newOwnAddresses(addressesA))
	for _, n := range []uint32{0, 1, math.MaxInt32, math.MaxInt32 + 1, math.MaxUint32} {
		if got, want := s.queueFor(addressesB[0].Addr(), n), uint8(uint64(n)%3); got != want {
			t.Errorf("queueFor(%d) is %d, want %d", n, got, want)
		}
	}
}

// ends notes the errors of Ended.
type ends struct {
	errs  []error
	close bool // Ended closes the connection
}

func (*ends) Received(_ *Conn, data []byte) int { return len(data) }
func (*ends) Writable(*Conn)                    {}
func (h *ends) Ended(c *Conn, err error) {
	h.errs = append(h.errs, err)
	if h.close {
		c.Close()
	}
}

// Shutdown calls Ended once for each connection that has a Handler: with net.ErrClosed for one that Shutdown closes, with
// io.EOF for one whose peer has closed before, and not for one that the application has closed.
func TestShutdownEndsHandlers(t *testing.T) {
	for _, c := range []struct {
		name   string
		before func(client, served *Conn)
		want   error
	}{
		{"open", func(_, _ *Conn) {}, net.ErrClosed},
		{"unread data", func(client, _ *Conn) { client.Write(make([]byte, 1000)) }, net.ErrClosed},
		{"half-closed by the peer", func(client, _ *Conn) { client.CloseWrite() }, io.EOF},
		{"closed by the application", func(_, served *Conn) { served.Close() }, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			for _, closes := range []bool{true, false} {
				within(t, func(t *testing.T) {
					p := newPair(t, Config{})
					h := &ends{close: closes}
					served := make(chan *Conn, 1)
					if _, err := p.b.Handle("tcp", ":80", func(c *Conn) Handler { served <- c; return h }); err != nil {
						t.Fatal(err)
					}
					client := p.dial()
					c.before(client, <-served)
					quiet()
					time.AfterFunc(time.Second, func() { client.Close() })
					if err := p.b.Shutdown(t.Context()); err != nil {
						t.Errorf("Shutdown: %v", err)
					}
					switch {
					case c.want == nil && len(h.errs) == 0:
					case len(h.errs) != 1 || !errors.Is(h.errs[0], c.want):
						t.Errorf("Ended was called with %v, want %v once", h.errs, c.want)
					}
				})
			}
		})
	}
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
