package stack

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"minitcp/conn"
	"minitcp/stack/stacktest"
)

// Close ends every blocked call at once; synctest checks that no goroutine is left.
func TestStackClose(t *testing.T) {
	within(t, func(t *testing.T) {
		p := newPair(t, Config{})
		l := p.listen()
		c, s := p.connect(l)
		var wait sync.WaitGroup
		blocked := func(name string, call func() error) {
			wait.Go(func() {
				if err := call(); !errors.Is(err, net.ErrClosed) {
					t.Errorf("%s: %v, want net.ErrClosed", name, err)
				}
			})
			quiet()
		}
		blocked("read", func() error { _, err := s.Read(make([]byte, 1)); return err })
		blocked("write", func() error { _, err := s.Write(pattern(1, 16<<20)); return err })
		blocked("write after the other", func() error { _, err := s.Write([]byte("x")); return err })
		blocked("accept", func() error { _, err := l.Accept(); return err })
		blocked("dial", func() error { _, err := p.b.Dial("tcp", "192.0.2.1:80"); return err })
		blocked("relay", func() error { _, err := io.Copy(io.Discard, s); return err })
		begin := time.Now()
		if err := p.b.Close(); err != nil {
			t.Error(err)
		}
		wait.Wait()
		took(t, begin, 0, 0)

		// The peer was told.
		quiet()
		wantState(t, c, conn.Closed)
		_, err := c.Write([]byte("x"))
		wantOpError(t, err, "write", syscall.ECONNRESET)

		// Nothing begins any more.
		_, err = p.b.Listen("tcp", ":81")
		wantOpError(t, err, "listen", net.ErrClosed)
		_, err = p.b.Dial("tcp", "10.77.0.1:80")
		wantOpError(t, err, "dial", net.ErrClosed)
		_, err = s.Read(make([]byte, 1))
		wantOpError(t, err, "read", net.ErrClosed)
		if err := p.b.Close(); err != nil {
			t.Errorf("second Close: %v", err)
		}
	})
}

// Data that was written before Shutdown arrives.
func TestShutdown(t *testing.T) {
	within(t, func(t *testing.T) {
		p := newPair(t, Config{})
		c, s := p.connect(p.listen())
		b := pattern(1, 800<<10)
		if _, err := s.Write(b); err != nil {
			t.Fatal(err)
		}
		done := make(chan error)
		go func() { done <- p.b.Shutdown(t.Context()) }()
		quiet()
		_, err := p.a.Dial("tcp", "10.77.0.2:80")
		wantOpError(t, err, "dial", syscall.ECONNREFUSED)
		receiveAll(t, c, 1, len(b))
		c.Close()
		if err := <-done; err != nil {
			t.Errorf("Shutdown: %v", err)
		}
	})
}

// A peer that does not close holds Shutdown up only as long as its context.
func TestShutdownBounded(t *testing.T) {
	within(t, func(t *testing.T) {
		p := newPair(t, Config{})
		c, _ := p.connect(p.listen())
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		begin := time.Now()
		if err := p.b.Shutdown(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Shutdown: %v", err)
		}
		took(t, begin, 5*time.Second, 5*time.Second)
		wantEOF(t, c)
	})
}

// Two calls of Shutdown both return.
func TestShutdownTwice(t *testing.T) {
	within(t, func(t *testing.T) {
		p := newPair(t, Config{})
		c, _ := p.connect(p.listen())
		var wait sync.WaitGroup
		for range 2 {
			wait.Go(func() {
				if err := p.b.Shutdown(t.Context()); err != nil {
					t.Errorf("Shutdown: %v", err)
				}
			})
		}
		quiet()
		c.Close()
		wait.Wait()
	})
}

// A device that fails takes the connections with it, and Close says why.
func TestDeviceFails(t *testing.T) {
	within(t, func(t *testing.T) {
		d := &failingDevice{fail: make(chan error, 1)}
		s, err := New(d, Config{Addresses: addressesA})
		if err != nil {
			t.Fatal(err)
		}
		l, err := s.Listen("tcp", ":80")
		if err != nil {
			t.Fatal(err)
		}
		time.AfterFunc(time.Second, func() { d.fail <- syscall.EIO })
		_, err = l.Accept()
		wantOpError(t, err, "accept", syscall.EIO)
		if err := s.Close(); !errors.Is(err, syscall.EIO) {
			t.Errorf("Close: %v, want EIO", err)
		}
	})
}

type failingDevice struct{ fail chan error }

func (d *failingDevice) ReadBatch([][]byte, []int) (int, error) { return 0, <-d.fail }
func (d *failingDevice) WriteFrame([][]byte) error              { return nil }
func (d *failingDevice) MTU() int                               { return 1500 }
func (d *failingDevice) Close() error {
	select {
	case d.fail <- os.ErrClosed:
	default:
	}
	return nil
}

func TestBadConfig(t *testing.T) {
	for name, c := range map[string]struct {
		cfg Config
		mtu int
	}{
		"no addresses":      {Config{}, 1500},
		"multicast address": {Config{Addresses: prefixes("224.0.0.1/24")}, 1500},
		"no address":        {Config{Addresses: prefixes("0.0.0.0/0")}, 1500},
		"mapped address":    {Config{Addresses: prefixes("::ffff:10.0.0.1/120")}, 1500},
		"MTU":               {Config{Addresses: prefixes("10.0.0.1/24")}, 575},
		"MTU for IPv6":      {Config{Addresses: prefixes("fd77::1/64")}, 1279},
		"ports":             {Config{Addresses: addressesA, EphemeralPorts: [2]uint16{2000, 1000}}, 1500},
	} {
		d, _ := stacktest.Pipe(c.mtu)
		if s, err := New(d, c.cfg); err == nil {
			s.Close()
			t.Errorf("%s: New worked", name)
		} else {
			t.Logf("%s: %v", name, err)
		}
	}
}

// New, ForwardTCP and ForwardUDP return an error that names the setting that has no valid value.
func TestInvalidSettings(t *testing.T) {
	newStack := func(cfg Config) error {
		d, _ := stacktest.Pipe(1500)
		cfg.Addresses = addressesA
		s, err := New(d, cfg)
		if err == nil {
			s.Close()
		}
		return err
	}
	p := newPair(t, Config{})
	forwardTCP := func(cfg ForwardConfig) error {
		f, err := p.a.ForwardTCP(cfg, func(r *ForwardRequest) { r.Reset() })
		if err == nil {
			f.Close()
		}
		return err
	}
	forwardUDP := func(cfg ForwardUDPConfig) error {
		f, err := p.a.ForwardUDP(cfg, func(f *UDPFlow) { f.Close() })
		if err == nil {
			f.Close()
		}
		return err
	}
	zeroPort := []netip.AddrPort{netip.MustParseAddrPort("192.0.2.1:0")}
	for name, err := range map[string]error{
		"Config.Memory":                   newStack(Config{Memory: -1}),
		"Config.Backlog":                  newStack(Config{Backlog: -1}),
		"Config.SYNCookies":               newStack(Config{SYNCookies: SYNCookiesOff + 1}),
		"Config.MaxTimeWait":              newStack(Config{MaxTimeWait: -1}),
		"Config.MaxOrphans":               newStack(Config{MaxOrphans: -1}),
		"Config.MaxConnections":           newStack(Config{MaxConnections: -1}),
		"Config.MaxPerHost":               newStack(Config{MaxPerHost: -1}),
		"Config.ICMPRate":                 newStack(Config{ICMPRate: -1}),
		"Config.Nameservers":              newStack(Config{Nameservers: zeroPort}),
		"ForwardTCP: MaxPending":          forwardTCP(ForwardConfig{MaxPending: -1}),
		"ForwardTCP: MaxPendingPerSource": forwardTCP(ForwardConfig{MaxPendingPerSource: -1}),
		"ForwardTCP: AcceptFirst":         forwardTCP(ForwardConfig{AcceptFirst: -1}),
		"ForwardUDP: Timeout":             forwardUDP(ForwardUDPConfig{Timeout: -1}),
		"ForwardUDP: DNSTimeout":          forwardUDP(ForwardUDPConfig{DNSTimeout: -1}),
		"ForwardUDP: MaxFlows":            forwardUDP(ForwardUDPConfig{MaxFlows: -1}),
		"ForwardUDP: MaxFlowsPerSource":   forwardUDP(ForwardUDPConfig{MaxFlowsPerSource: -1}),
	} {
		if !errors.Is(err, syscall.EINVAL) || !strings.HasPrefix(fmt.Sprint(err), "stack: "+name+": ") {
			t.Errorf("%s: the error is %v, want one that names it and is %v", name, err, syscall.EINVAL)
		}
	}
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

// Shutdown calls Ended once for each connection that has a Handler: with net.ErrClosed for one that Shutdown closes,
// with io.EOF for one whose peer has closed before, and not for one that the application has closed.
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
