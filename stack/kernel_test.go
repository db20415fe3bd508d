package stack

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"slices"
	"syscall"
	"testing"
	"testing/iotest"
	"time"

	"minitcp/stack/stacktest"
)

// tcpConn has the methods that *Conn and *net.TCPConn share.
type tcpConn interface {
	net.Conn
	io.ReaderFrom
	io.WriterTo
	CloseRead() error
	CloseWrite() error
	SetLinger(sec int) error
	SetNoDelay(noDelay bool) error
	SetKeepAlive(keepalive bool) error
	SetKeepAlivePeriod(d time.Duration) error
	SetKeepAliveConfig(config net.KeepAliveConfig) error
	SetReadBuffer(bytes int) error
	SetWriteBuffer(bytes int) error
}

var (
	_ tcpConn = (*Conn)(nil)
	_ tcpConn = (*net.TCPConn)(nil)
)

// network is a place to call in, and one to be called in: the kernel's loopback, or two stacks.
type network struct {
	dial   func(ctx context.Context, network, address string) (net.Conn, error)
	listen func(network, address string) (net.Listener, error)
	host   string
}

func (n network) connect(t *testing.T) (client, server tcpConn) {
	t.Helper()
	l, err := n.listen("tcp", n.host+":0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	c, err := n.dial(t.Context(), "tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	s, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close(); s.Close() })
	return c.(tcpConn), s.(tcpConn)
}

// describe returns the properties of an error that an application can find.
func describe(err error) string {
	if err == nil {
		return "nil"
	}
	if err == io.EOF {
		return "io.EOF"
	}
	text := ""
	var op *net.OpError
	if errors.As(err, &op) {
		text = fmt.Sprintf("OpError %s source %v addr %v", op.Op, op.Source != nil, op.Addr != nil)
	}
	var ne net.Error
	if errors.As(err, &ne) {
		text += fmt.Sprintf(" timeout %v", ne.Timeout())
	}
	var is []string
	for name, target := range map[string]error{
		"os.ErrDeadlineExceeded":   os.ErrDeadlineExceeded,
		"net.ErrClosed":            net.ErrClosed,
		"context.Canceled":         context.Canceled,
		"context.DeadlineExceeded": context.DeadlineExceeded,
		"ECONNREFUSED":             syscall.ECONNREFUSED,
		"ECONNRESET":               syscall.ECONNRESET,
		"EPIPE":                    syscall.EPIPE,
		"ETIMEDOUT":                syscall.ETIMEDOUT,
		"EADDRINUSE":               syscall.EADDRINUSE,
		"EADDRNOTAVAIL":            syscall.EADDRNOTAVAIL,
		"ENOTCONN":                 syscall.ENOTCONN,
		"io.ErrUnexpectedEOF":      io.ErrUnexpectedEOF,
		"io.ErrShortWrite":         io.ErrShortWrite,
	} {
		if errors.Is(err, target) {
			is = append(is, name)
		}
	}
	slices.Sort(is)
	return fmt.Sprint(text, " is ", is)
}

type failingWriter struct{}

func (failingWriter) Write([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }

type shortWriter struct{}

func (shortWriter) Write([]byte) (int, error) { return 0, nil }

// The same deeds on the kernel's sockets and on ours end in the same errors.
func TestErrorsAreTheKernels(t *testing.T) {
	da, db := stacktest.Pipe(1500)
	a, err := New(da, Config{Addresses: addressesA})
	if err != nil {
		t.Fatal(err)
	}
	defer a.Close()
	b, err := New(db, Config{Addresses: addressesB})
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	var dialer net.Dialer
	kernel := network{dialer.DialContext, net.Listen, "127.0.0.1"}
	ours := network{a.DialContext, b.Listen, "10.77.0.2"}
	one := make([]byte, 1)

	// writeUntilError writes until a Write fails, and returns its error: before the RST has come, a Write succeeds.
	writeUntilError := func(t *testing.T, c tcpConn) error {
		for range 10_000 {
			if _, err := c.Write(one); err != nil {
				return err
			}
			time.Sleep(time.Millisecond)
		}
		t.Fatal("Write does not fail")
		return nil
	}
	// reset returns a connection whose peer has sent a RST, or will in a moment.
	reset := func(t *testing.T, n network) tcpConn {
		c, s := n.connect(t)
		s.SetLinger(0)
		s.Close()
		return c
	}
	// Where ours are meant to differ, and why.
	intended := map[string]string{
		// The deadline can be found by either of its names, as for any other call.
		"dial, too late": "OpError dial source false addr true timeout true is [context.DeadlineExceeded os.ErrDeadlineExceeded]",
	}
	for _, deed := range []struct {
		name string
		do   func(t *testing.T, n network) error
	}{
		{"dial a closed port", func(t *testing.T, n network) error {
			l, err := n.listen("tcp", n.host+":0")
			if err != nil {
				t.Fatal(err)
			}
			l.Close()
			_, err = n.dial(t.Context(), "tcp", l.Addr().String())
			return err
		}},
		{"dial, cancelled", func(t *testing.T, n network) error {
			ctx, cancel := context.WithCancel(t.Context())
			cancel()
			_, err := n.dial(ctx, "tcp", n.host+":80")
			return err
		}},
		{"dial, too late", func(t *testing.T, n network) error {
			ctx, cancel := context.WithDeadline(t.Context(), time.Unix(1, 0))
			defer cancel()
			_, err := n.dial(ctx, "tcp", n.host+":80")
			return err
		}},
		{"listen twice", func(t *testing.T, n network) error {
			l, err := n.listen("tcp", n.host+":0")
			if err != nil {
				t.Fatal(err)
			}
			defer l.Close()
			_, err = n.listen("tcp", l.Addr().String())
			return err
		}},
		{"listen elsewhere", func(t *testing.T, n network) error {
			_, err := n.listen("tcp", "192.0.2.1:80")
			return err
		}},
		{"accept, closed", func(t *testing.T, n network) error {
			l, err := n.listen("tcp", n.host+":0")
			if err != nil {
				t.Fatal(err)
			}
			l.Close()
			_, err = l.Accept()
			return err
		}},
		{"accept, too late", func(t *testing.T, n network) error {
			l, err := n.listen("tcp", n.host+":0")
			if err != nil {
				t.Fatal(err)
			}
			defer l.Close()
			l.(interface{ SetDeadline(time.Time) error }).SetDeadline(time.Unix(1, 0))
			_, err = l.Accept()
			return err
		}},
		{"read, the peer has closed", func(t *testing.T, n network) error {
			c, s := n.connect(t)
			s.Close()
			_, err := c.Read(one)
			return err
		}},
		{"read, reset", func(t *testing.T, n network) error {
			_, err := reset(t, n).Read(one)
			return err
		}},
		{"read again, reset", func(t *testing.T, n network) error {
			c := reset(t, n)
			c.Read(one)
			_, err := c.Read(one)
			return err
		}},
		{"write, reset and read", func(t *testing.T, n network) error {
			c := reset(t, n)
			c.Read(one)
			_, err := c.Write(one)
			return err
		}},
		{"read, reset and written", func(t *testing.T, n network) error {
			c := reset(t, n)
			writeUntilError(t, c)
			_, err := c.Read(one)
			return err
		}},
		{"write, the peer has closed", func(t *testing.T, n network) error {
			c, s := n.connect(t)
			s.Close()
			c.Read(one)
			_, err := c.Write(one)
			return err
		}},
		{"write again, the peer has closed", func(t *testing.T, n network) error {
			c, s := n.connect(t)
			s.Close()
			c.Read(one)
			return writeUntilError(t, c)
		}},
		{"read, the peer has closed and reset", func(t *testing.T, n network) error {
			c, s := n.connect(t)
			s.Close()
			c.Read(one)
			writeUntilError(t, c)
			_, err := c.Read(one)
			return err
		}},
		{"read, closed", func(t *testing.T, n network) error {
			c, _ := n.connect(t)
			c.Close()
			_, err := c.Read(one)
			return err
		}},
		{"write, closed", func(t *testing.T, n network) error {
			c, _ := n.connect(t)
			c.Close()
			_, err := c.Write(one)
			return err
		}},
		{"close twice", func(t *testing.T, n network) error {
			c, _ := n.connect(t)
			c.Close()
			return c.Close()
		}},
		{"CloseWrite, closed", func(t *testing.T, n network) error {
			c, _ := n.connect(t)
			c.Close()
			return c.CloseWrite()
		}},
		{"CloseWrite twice", func(t *testing.T, n network) error {
			c, _ := n.connect(t)
			c.CloseWrite()
			return c.CloseWrite()
		}},
		{"CloseWrite, reset", func(t *testing.T, n network) error {
			c := reset(t, n)
			c.Read(one)
			return c.CloseWrite()
		}},
		{"write after CloseWrite", func(t *testing.T, n network) error {
			c, _ := n.connect(t)
			c.CloseWrite()
			_, err := c.Write(one)
			return err
		}},
		{"read after CloseRead", func(t *testing.T, n network) error {
			c, _ := n.connect(t)
			c.CloseRead()
			_, err := c.Read(one)
			return err
		}},
		{"read, too late", func(t *testing.T, n network) error {
			c, _ := n.connect(t)
			c.SetDeadline(time.Unix(1, 0))
			_, err := c.Read(one)
			return err
		}},
		{"write, too late", func(t *testing.T, n network) error {
			c, _ := n.connect(t)
			c.SetDeadline(time.Unix(1, 0))
			_, err := c.Write(one)
			return err
		}},
		{"read nothing", func(t *testing.T, n network) error {
			c, _ := n.connect(t)
			_, err := c.Read(nil)
			return err
		}},
		{"SetDeadline, closed", func(t *testing.T, n network) error {
			c, _ := n.connect(t)
			c.Close()
			return c.SetDeadline(time.Time{})
		}},
		{"SetNoDelay, closed", func(t *testing.T, n network) error {
			c, _ := n.connect(t)
			c.Close()
			return c.SetNoDelay(true)
		}},
		{"SetNoDelay, reset", func(t *testing.T, n network) error {
			c := reset(t, n)
			c.Read(one)
			return c.SetNoDelay(false)
		}},
		{"ReadFrom", func(t *testing.T, n network) error {
			c, _ := n.connect(t)
			_, err := c.ReadFrom(bytes.NewReader(one))
			return err
		}},
		{"ReadFrom, reset and read", func(t *testing.T, n network) error {
			c := reset(t, n)
			c.Read(one)
			_, err := c.ReadFrom(bytes.NewReader(one))
			return err
		}},
		{"ReadFrom, closed", func(t *testing.T, n network) error {
			c, _ := n.connect(t)
			c.Close()
			_, err := c.ReadFrom(bytes.NewReader(one))
			return err
		}},
		{"ReadFrom, too late", func(t *testing.T, n network) error {
			c, _ := n.connect(t)
			c.SetDeadline(time.Unix(1, 0))
			_, err := c.ReadFrom(bytes.NewReader(one))
			return err
		}},
		{"ReadFrom, the source fails", func(t *testing.T, n network) error {
			c, _ := n.connect(t)
			_, err := c.ReadFrom(iotest.ErrReader(io.ErrUnexpectedEOF))
			return err
		}},
		{"WriteTo, the peer has closed", func(t *testing.T, n network) error {
			c, s := n.connect(t)
			s.Close()
			_, err := c.WriteTo(new(bytes.Buffer))
			return err
		}},
		{"WriteTo, reset", func(t *testing.T, n network) error {
			_, err := reset(t, n).WriteTo(new(bytes.Buffer))
			return err
		}},
		{"WriteTo, closed", func(t *testing.T, n network) error {
			c, _ := n.connect(t)
			c.Close()
			_, err := c.WriteTo(new(bytes.Buffer))
			return err
		}},
		{"WriteTo, too late", func(t *testing.T, n network) error {
			c, _ := n.connect(t)
			c.SetDeadline(time.Unix(1, 0))
			_, err := c.WriteTo(new(bytes.Buffer))
			return err
		}},
		{"WriteTo, the destination fails", func(t *testing.T, n network) error {
			c, s := n.connect(t)
			s.Write(one)
			_, err := c.WriteTo(failingWriter{})
			return err
		}},
		{"WriteTo, the destination takes less", func(t *testing.T, n network) error {
			c, s := n.connect(t)
			s.Write(one)
			_, err := c.WriteTo(shortWriter{})
			return err
		}},
	} {
		t.Run(deed.name, func(t *testing.T) {
			got, want := describe(deed.do(t, ours)), describe(deed.do(t, kernel))
			if other, ok := intended[deed.name]; ok {
				if other == want {
					t.Errorf("no longer different: %s", want)
				}
				want = other
			}
			if got != want {
				t.Errorf("ours:   %s\nwanted: %s", got, want)
			}
		})
	}
}

// An error of the connection itself is wrapped once by ReadFrom and WriteTo; package net's text has the addresses
// twice.
func TestCopyErrorsAreWrappedOnce(t *testing.T) {
	within(t, func(t *testing.T) {
		p := newPair(t, Config{})
		c, _ := p.connect(p.listen())
		c.SetDeadline(time.Unix(1, 0))
		for op, do := range map[string]func() (int64, error){
			"readfrom": func() (int64, error) { return c.ReadFrom(bytes.NewReader(make([]byte, 1))) },
			"writeto":  func() (int64, error) { return c.WriteTo(new(bytes.Buffer)) },
		} {
			_, err := do()
			wantOpError(t, err, op, os.ErrDeadlineExceeded)
			var inner *net.OpError
			if errors.As(errors.Unwrap(err), &inner) {
				t.Errorf("%v contains another *net.OpError, of %q", err, inner.Op)
			}
		}
	})
}
