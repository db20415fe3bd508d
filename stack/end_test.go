package stack

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"minitcp/stack/stacktest"
)

// endingDevice is a memory device of two queues that can be made to fail.
type endingDevice struct {
	*stacktest.Device
	broken   chan struct{} // closed: reads of queue 1 fail with err
	err      error
	writeErr atomic.Pointer[error] // not nil: the error of every write
}

func (d *endingDevice) ReadQueue(queue int, frames [][]byte, sizes []int) (int, error) {
	if queue == 0 {
		return d.Device.ReadQueue(queue, frames, sizes)
	}
	<-d.broken
	return 0, d.err
}

func (d *endingDevice) WriteQueue(_ int, parts [][]byte) error {
	if err := d.writeErr.Load(); err != nil {
		return *err
	}
	return d.Device.WriteFrame(parts)
}

// Close also ends the reader of queue 1, with an error that is not os.ErrClosed.
func (d *endingDevice) Close() error {
	d.fail(errors.New("closed"))
	return d.Device.Close()
}

func (d *endingDevice) fail(err error) {
	select {
	case <-d.broken:
	default:
		d.err = err
		close(d.broken)
	}
}

// endHandler records the error of Ended.
type endHandler chan error

func (endHandler) Received(*Conn, []byte) int { return 0 }
func (endHandler) Writable(*Conn)             {}
func (h endHandler) Ended(_ *Conn, err error) { h <- err }
func (h endHandler) open(*Conn) Handler       { return h }
func (d *endingDevice) failWrites(err error)  { d.writeErr.Store(&err) }

// Every blocked call, every Handler and every later call gets the cause of the stack's end, and Done and Err report it.
func TestEnd(t *testing.T) {
	gone := errors.New("gone")
	for _, test := range []struct {
		name  string
		end   func(p *pair, d *endingDevice)
		cause error
		own   bool // ended by a call on the stack
	}{
		{"closed by another owner", func(_ *pair, d *endingDevice) { d.Device.Close() }, os.ErrClosed, false},
		{"one queue of two fails", func(_ *pair, d *endingDevice) { d.fail(syscall.EIO) }, syscall.EIO, false},
		{"the device's own error", func(_ *pair, d *endingDevice) { d.fail(gone) }, gone, false},
		{"closed, found by a write", func(p *pair, d *endingDevice) {
			d.failWrites(os.ErrClosed)
			p.b.Dial("tcp", "10.77.0.9:1")
		}, os.ErrClosed, false},
		{"Close", func(p *pair, _ *endingDevice) { p.b.Close() }, net.ErrClosed, true},
		{"Shutdown", func(p *pair, _ *endingDevice) {
			ctx, cancel := context.WithCancel(context.Background())
			cancel()
			p.b.Shutdown(ctx)
		}, net.ErrClosed, true},
	} {
		for _, remote := range []string{"10.77.0.2:80", "[fd77::2]:80"} {
			t.Run(test.name+" "+remote, func(t *testing.T) {
				within(t, func(t *testing.T) {
					p, d := newEndingPair(t)
					testEnd(t, p, remote, func() { test.end(p, d) }, test.cause, test.name != "Shutdown")
					err := p.b.Close()
					if test.own && err != nil {
						t.Errorf("Close returns %v after the stack's own end", err)
					}
					if !test.own && !errors.Is(err, test.cause) {
						t.Errorf("Close returns %v, want %v", err, test.cause)
					}
					if err := p.b.Err(); !errors.Is(err, test.cause) {
						t.Errorf("Err after Close is %v, want %v", err, test.cause)
					}
				})
			})
		}
	}
}

// newEndingPair returns two stacks of which b's device can be made to fail.
func newEndingPair(t *testing.T) (*pair, *endingDevice) {
	t.Helper()
	p := &pair{t: t}
	p.da, p.db = stacktest.New(stacktest.Config{})
	d := &endingDevice{Device: p.db, broken: make(chan struct{})}
	var err error
	if p.a, err = New(p.da, Config{Addresses: addressesA}); err != nil {
		t.Fatal(err)
	}
	if p.b, err = New(&twoQueues{d}, Config{Addresses: addressesB}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.b.Close(); p.a.Close() })
	return p, d
}

// twoQueues gives an endingDevice its second queue, on which no frame comes.
type twoQueues struct{ *endingDevice }

func (*twoQueues) Queues() int { return 2 }

func testEnd(t *testing.T, p *pair, remote string, end func(), cause error, ended bool) {
	l := p.listen()
	c, s := p.connectTo(l, remote)
	defer c.Close()
	h := make(endHandler, 1)
	if _, err := p.b.Handle("tcp", ":81", h.open); err != nil {
		t.Fatal(err)
	}
	handled, err := p.a.Dial("tcp", "10.77.0.2:81")
	if err != nil {
		t.Fatal(err)
	}
	defer handled.Close()

	var wait sync.WaitGroup
	blocked := func(op string, call func() error) {
		wait.Go(func() { wantOpError(t, call(), op, cause) })
		quiet()
	}
	blocked("read", func() error { _, err := s.Read(make([]byte, 1)); return err })
	blocked("write", func() error { _, err := s.Write(pattern(1, 16<<20)); return err })
	blocked("write", func() error { _, err := s.Write([]byte("x")); return err })
	blocked("accept", func() error { _, err := l.Accept(); return err })
	blocked("dial", func() error { _, err := p.b.Dial("tcp", "10.77.0.8:80"); return err })
	blocked("dial", func() error { _, err := p.b.Dial("tcp", "[fd77::8]:80"); return err })
	select {
	case <-p.b.Done():
		t.Error("Done is closed while the stack runs")
	default:
	}
	if err := p.b.Err(); err != nil {
		t.Errorf("Err is %v while the stack runs", err)
	}

	begin := time.Now()
	end()
	<-p.b.Done()
	wait.Wait()
	took(t, begin, 0, 0)
	if err := p.b.Err(); !errors.Is(err, cause) {
		t.Errorf("Err is %v, want %v", err, cause)
	}
	if ended { // Shutdown closes the connection first, as the application would: Ended is not called
		wantOpError(t, <-h, "read", cause)
	}

	_, err = s.Read(make([]byte, 1))
	wantOpError(t, err, "read", cause)
	_, err = s.Write(make([]byte, 1))
	wantOpError(t, err, "write", cause)
	_, err = s.TryWrite(make([]byte, 1))
	wantOpError(t, err, "write", cause)
	_, err = s.WriteTo(io.Discard)
	wantOpError(t, err, "writeto", cause)
	_, err = l.Accept()
	wantOpError(t, err, "accept", cause)
	_, err = p.b.Dial("tcp", "10.77.0.1:80")
	wantOpError(t, err, "dial", cause)
	_, err = p.b.Listen("tcp", ":82")
	wantOpError(t, err, "listen", cause)
}

// A device's end during Shutdown ends Shutdown with the device's error.
func TestEndDuringShutdown(t *testing.T) {
	within(t, func(t *testing.T) {
		p, d := newEndingPair(t)
		c, _ := p.connect(p.listen())
		defer c.Close()
		result := make(chan error)
		go func() { result <- p.b.Shutdown(t.Context()) }()
		quiet()
		d.fail(syscall.EIO)
		if err := <-result; !errors.Is(err, syscall.EIO) {
			t.Errorf("Shutdown returns %v, want EIO", err)
		}
		if err := p.b.Err(); !errors.Is(err, syscall.EIO) {
			t.Errorf("Err is %v, want EIO", err)
		}
	})
}

// A connection and a listener that the application has closed keep [net.ErrClosed] when the device fails later.
func TestEndAfterClose(t *testing.T) {
	within(t, func(t *testing.T) {
		p, d := newEndingPair(t)
		l := p.listen()
		c, s := p.connect(l)
		defer c.Close()
		s.Close()
		l.Close()
		d.fail(syscall.EIO)
		<-p.b.Done()
		quiet()
		_, err := s.Read(make([]byte, 1))
		wantOpError(t, err, "read", net.ErrClosed)
		_, err = l.Accept()
		wantOpError(t, err, "accept", net.ErrClosed)
	})
}

// TestEndIsNotTemporary checks that no error of an ended stack is temporary: http.Server repeats Accept after those.
func TestEndIsNotTemporary(t *testing.T) {
	for _, cause := range []error{syscall.ENFILE, syscall.EAGAIN, os.ErrDeadlineExceeded} {
		err := error(&net.OpError{Op: "accept", Err: &deviceError{"read", cause}})
		e, ok := err.(interface {
			Timeout() bool
			Temporary() bool
		})
		if !ok || e.Timeout() || e.Temporary() {
			t.Errorf("%v is temporary or a timeout", err)
		}
	}
}
