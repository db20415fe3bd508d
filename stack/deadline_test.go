package stack

import (
	"errors"
	"net"
	"os"
	"sync"
	"testing"
	"time"
)

func TestReadDeadline(t *testing.T) {
	within(t, func(t *testing.T) {
		p := newPair(t, Config{})
		c, s := p.connect(p.listen())
		b := make([]byte, 10)

		begin := time.Now()
		c.SetReadDeadline(begin.Add(time.Second))
		_, err := c.Read(b)
		wantOpError(t, err, "read", os.ErrDeadlineExceeded)
		var ne net.Error
		if !errors.As(err, &ne) || !ne.Timeout() {
			t.Errorf("%v: Timeout is false", err)
		}
		took(t, begin, time.Second, time.Second)
		_, err = c.Read(b) // stays passed
		wantOpError(t, err, "read", os.ErrDeadlineExceeded)

		// Data that is there does not help; a new deadline does.
		write(t, s, "late")
		quiet()
		_, err = c.Read(b)
		wantOpError(t, err, "read", os.ErrDeadlineExceeded)
		c.SetReadDeadline(time.Time{})
		wantRead(t, c, "late")

		// One in the past fails at once, and a call that waits already is told.
		done := make(chan error)
		go func() { _, err := c.Read(b); done <- err }()
		quiet()
		begin = time.Now()
		c.SetReadDeadline(time.Unix(1, 0))
		wantOpError(t, <-done, "read", os.ErrDeadlineExceeded)
		took(t, begin, 0, 0)

		// Writing is not concerned.
		write(t, c, "still")
		wantRead(t, s, "still")
	})
}

func TestWriteDeadline(t *testing.T) {
	within(t, func(t *testing.T) {
		p := newPair(t, Config{})
		c, s := p.connect(p.listen())
		begin := time.Now()
		c.SetWriteDeadline(begin.Add(5 * time.Second))
		big := pattern(1, 16<<20) // stays unread
		n, err := c.Write(big)
		wantOpError(t, err, "write", os.ErrDeadlineExceeded)
		took(t, begin, 5*time.Second, 5*time.Second)
		if n < 1<<20 || n >= len(big) {
			t.Fatalf("%d bytes were taken", n)
		}
		// The bytes that Write has reported are not lost.
		done := make(chan struct{})
		go func() { defer close(done); wantBytes(t, s, big[:n]) }()
		c.SetWriteDeadline(time.Time{})
		c.CloseWrite()
		<-done
	})
}

// A deadline moved before it passes: only the last one counts.
func TestDeadlineMoved(t *testing.T) {
	within(t, func(t *testing.T) {
		p := newPair(t, Config{})
		c, _ := p.connect(p.listen())
		begin := time.Now()
		c.SetDeadline(begin.Add(time.Second))
		time.AfterFunc(500*time.Millisecond, func() { c.SetDeadline(begin.Add(3 * time.Second)) })
		_, err := c.Read(make([]byte, 1))
		wantOpError(t, err, "read", os.ErrDeadlineExceeded)
		took(t, begin, 3*time.Second, 3*time.Second)
	})
}

func TestAcceptDeadline(t *testing.T) {
	within(t, func(t *testing.T) {
		p := newPair(t, Config{})
		l := p.listen()
		begin := time.Now()
		l.SetDeadline(begin.Add(time.Second))
		_, err := l.Accept()
		wantOpError(t, err, "accept", os.ErrDeadlineExceeded)
		took(t, begin, time.Second, time.Second)
		l.SetDeadline(time.Time{})
		p.connect(l)
	})
}

// Many readers and one writer: every byte reaches one of them, and none sleeps on while there is data.
func TestManyReaders(t *testing.T) {
	within(t, func(t *testing.T) {
		p := newPair(t, Config{})
		c, s := p.connect(p.listen())
		const readers, bytes = 10, 1000
		var wait sync.WaitGroup
		var mu sync.Mutex
		total := 0
		for range readers {
			wait.Go(func() {
				b := make([]byte, 3)
				for {
					n, err := s.Read(b)
					mu.Lock()
					total += n
					mu.Unlock()
					if err != nil {
						return // io.EOF: all of them
					}
				}
			})
		}
		write(t, c, string(pattern(1, bytes)))
		c.CloseWrite()
		wait.Wait()
		if total != bytes {
			t.Errorf("%d bytes were read, want %d", total, bytes)
		}
	})
}

// The data of concurrent writers is not interleaved.
func TestManyWriters(t *testing.T) {
	within(t, func(t *testing.T) {
		p := newPair(t, Config{})
		c, s := p.connect(p.listen())
		const writers, size = 5, 3 << 20 // more than the buffer: they have to wait
		var wait sync.WaitGroup
		for i := range writers {
			wait.Go(func() {
				b := make([]byte, size)
				for j := range b {
					b[j] = byte('a' + i)
				}
				if n, err := c.Write(b); n != size || err != nil {
					t.Errorf("Write: %d, %v", n, err)
				}
			})
		}
		b := make([]byte, size)
		for range writers {
			want := byte(0)
			for got := 0; got < size; {
				n, err := s.Read(b[:size-got])
				if err != nil {
					t.Fatal(err)
				}
				if want == 0 {
					want = b[0]
				}
				for _, x := range b[:n] {
					if x != want {
						t.Fatalf("%c amid %c", x, want)
					}
				}
				got += n
			}
		}
		wait.Wait()
	})
}
