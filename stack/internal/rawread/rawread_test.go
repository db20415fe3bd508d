//go:build unix

package rawread

import (
	"bytes"
	"errors"
	"io"
	"net"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// connected returns the ends of a TCP connection over loopback.
func connected(t *testing.T) (a, b *net.TCPConn) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	dialed, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	accepted, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { dialed.Close(); accepted.Close() })
	return dialed.(*net.TCPConn), accepted.(*net.TCPConn)
}

// pool counts the buffers that it has made; none comes back to be used again.
func newPool(made *atomic.Int64) *sync.Pool {
	return &sync.Pool{New: func() any { made.Add(1); b := make([]byte, 4<<10); return &b }}
}

// Data arrives in order, in pieces of at most a multiple of the unit, and then EOF without a buffer.
func TestData(t *testing.T) {
	data := []byte(strings.Repeat("0123456789", 5000))
	a, b := connected(t)
	var count atomic.Int64
	for name, source := range map[string]io.Reader{"socket": b, "other": bytes.NewReader(data)} {
		if name == "socket" {
			a.Write(data)
			a.CloseWrite()
		}
		count.Store(0)
		r := Count(source, &count)
		if Of(r) != r {
			t.Errorf("%s: Of a Reader is another one", name)
		}
		if isSocket := r.socket != nil; isSocket != (name == "socket") {
			t.Errorf("%s: a socket of package net: %v", name, isSocket)
		}
		var got []byte
		var made atomic.Int64
		for pool := newPool(&made); ; {
			memory, n, err := r.ReadPooled(pool, 1000)
			if n > 4000 {
				t.Fatalf("%s: %d bytes at once, want at most 4000", name, n)
			}
			if n > 0 {
				got = append(got, (*memory)[:n]...)
			}
			if err == io.EOF {
				break
			}
			if err != nil || memory == nil {
				t.Fatalf("%s: %d bytes, %v", name, n, err)
			}
		}
		if !bytes.Equal(got, data) || count.Load() != int64(len(data)) {
			t.Errorf("%s: %d bytes, %d counted, want %d", name, len(got), count.Load(), len(data))
		}
	}
}

// pieces returns at most size bytes from each Read, after it has called before.
type pieces struct {
	sizes  []int
	before func(p []byte)
}

func (s *pieces) Read(p []byte) (int, error) {
	s.before(p)
	if len(s.sizes) == 0 {
		return 0, io.EOF
	}
	n := min(len(p), s.sizes[0])
	if s.sizes[0] -= n; s.sizes[0] == 0 {
		s.sizes = s.sizes[1:]
	}
	return n, nil
}

// A read that may wait holds little memory. When it has filled it, a buffer follows, and further ones while the data
// fills them.
func TestWaitsWithLittle(t *testing.T) {
	var made atomic.Int64
	var sizes []int
	source := &pieces{sizes: []int{100, 8000, 1000, 5000}, before: func(p []byte) {
		sizes = append(sizes, len(p))
		if int64(len(p)) <= 2<<10 && made.Load() > 0 {
			t.Error("a read of little memory holds a buffer")
		}
	}}
	r := Of(source)
	pool := newPool(&made)
	for {
		b, _, err := r.ReadPooled(pool, 1460)
		if b != nil {
			made.Add(-1) // it is put back
		}
		if err != nil {
			break
		}
	}
	// 100; 8000: 1460, 2920, 2920 and 700; 1000; 5000: 1460, 2920 and 620; EOF.
	want := []int{1460, 1460, 2920, 2920, 2920, 1460, 1460, 2920, 2920, 1460}
	if !slices.Equal(sizes, want) {
		t.Errorf("reads of %d bytes, want %d", sizes, want)
	}
}

// A source that returns a record at a time, as TLS does, is read with one call a record after the first two. A shorter
// record ends the transfer, and the wait after it holds little memory.
func TestRecords(t *testing.T) {
	const record, records = 16 << 10, 64 // 1 MiB
	var sizes []int
	source := &pieces{sizes: append(slices.Repeat([]int{record}, records), 5000), before: func(p []byte) { sizes = append(sizes, len(p)) }}
	r := Of(source)
	pool := &sync.Pool{New: func() any { b := make([]byte, 64<<10); return &b }}
	for {
		if _, _, err := r.ReadPooled(pool, 1460); err != nil {
			break
		}
	}
	if got, want := len(sizes), records+2+1+1; got != want {
		t.Errorf("%d reads of %d records and a shorter one until EOF, want %d", got, records, want)
	}
	if last := sizes[len(sizes)-1]; last > 2<<10 {
		t.Errorf("the wait after the transfer holds %d bytes, want at most 2048", last)
	}
}

// Messages of different sizes leave the source waiting with little memory, also those that do not fit into it.
func TestMessagesWaitWithLittle(t *testing.T) {
	source := &pieces{before: func([]byte) {}}
	r := Of(source)
	var made atomic.Int64
	pool := newPool(&made)
	for _, size := range []int{300, 3500, 100, 3500, 3400, 3300, 2000} {
		for source.sizes = []int{size}; len(source.sizes) > 0; {
			r.ReadPooled(pool, 1)
		}
		source.before = func(p []byte) {
			if len(p) > 2<<10 {
				t.Errorf("after a message of %d bytes, the wait holds %d bytes, want at most 2048", size, len(p))
			}
			source.before = func([]byte) {}
		}
	}
}

// A segment that is larger than the memory of a read that may wait does not keep it from reading.
func TestLargeUnit(t *testing.T) {
	var made atomic.Int64
	r := Of(strings.NewReader(strings.Repeat("x", 3000)))
	for _, want := range []int{2048, 952} {
		b, n, err := r.ReadPooled(newPool(&made), 4096)
		if n != want || err != nil || len(*b) < n {
			t.Errorf("%d bytes, %v; want %d", n, err, want)
		}
	}
}

// Errors are those of Read.
func TestErrors(t *testing.T) {
	for name, test := range map[string]struct {
		end  func(a, b *net.TCPConn)
		want error
	}{
		"reset":    {func(a, b *net.TCPConn) { a.SetLinger(0); a.Close() }, syscall.ECONNRESET},
		"deadline": {func(a, b *net.TCPConn) { b.SetReadDeadline(time.Unix(1, 0)) }, os.ErrDeadlineExceeded},
		"closed":   {func(a, b *net.TCPConn) { b.Close() }, net.ErrClosed},
	} {
		for _, waits := range []bool{false, true} {
			a, b := connected(t)
			r := Of(b)
			var made atomic.Int64
			if waits {
				time.AfterFunc(time.Millisecond, func() { test.end(a, b) })
			} else {
				test.end(a, b)
			}
			memory, n, err := r.ReadPooled(newPool(&made), 1)
			var op *net.OpError
			if memory != nil || n != 0 || !errors.Is(err, test.want) || !errors.As(err, &op) || op.Op != "read" || op.Net != "tcp" {
				t.Errorf("%s: buffer %v, %d bytes, %v; want %v", name, memory, n, err, test.want)
			}
		}
	}
}

// slow has a Read of its own, and everything else of the socket.
type slow struct{ *net.TCPConn }

func (slow) Read(p []byte) (int, error) { return copy(p, "own"), io.EOF }

// The method Read of a type that has a socket in it is called.
func TestForeignRead(t *testing.T) {
	_, b := connected(t)
	var made atomic.Int64
	for _, r := range []io.Reader{slow{b}, &slow{b}} {
		if memory, n, err := Of(r).ReadPooled(newPool(&made), 1); n != 3 || string((*memory)[:3]) != "own" || err != io.EOF {
			t.Errorf("%T: %d bytes, %v", r, n, err)
		}
	}
}

// io.Copy passes on a *net.TCPConn in a type of package net, which is a socket as well.
func TestThroughCopy(t *testing.T) {
	a, b := connected(t)
	a.CloseWrite()
	var to readsFrom
	if _, err := io.Copy(&to, b); err != nil {
		t.Fatal(err)
	}
	if to.r == nil || Of(to.r).socket == nil {
		t.Errorf("io.Copy passes a %T, in which no socket is found", to.r)
	}
}

type readsFrom struct{ r io.Reader }

func (f *readsFrom) Write([]byte) (int, error) { panic("Write") }
func (f *readsFrom) ReadFrom(r io.Reader) (int64, error) {
	f.r = r
	return 0, nil
}
