// Package relay copies data between two TCP connections as a proxy does, and passes on how each of them ends. It copies
// datagrams between a UDP flow and a socket of the kernel's, many with each system call.
//
// A FIN on one connection becomes a FIN on the other, after all data, while data goes on in the opposite direction
// (half-close). A reset on one becomes a reset on the other. After a FIN, a reset is noticed with the next data for the
// connection that was reset.
package relay

import (
	"errors"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"minitcp/stack/internal/rawread"
)

// Conn is one of the two connections. [*net.TCPConn] and *stack.Conn implement it.
type Conn interface {
	net.Conn
	CloseWrite() error
	SetLinger(seconds int) error
}

// Config holds the settings of [Relay]. The zero value is ready for use.
type Config struct {
	// IdleTimeout ends both connections after at least this time, and at most twice this time, without data from either. 0
	// means no limit. RFC 5382 requires of NATs at least 2 hours and 4 minutes [REQ-5].
	IdleTimeout time.Duration
}

// ErrIdle is the error of [Relay] when Config.IdleTimeout has ended the connections.
var ErrIdle = errors.New("relay: no data within the idle timeout")

// Result holds the totals of a relay.
type Result struct {
	Sent     int64 // bytes copied from the first connection to the second
	Received int64 // bytes copied from the second connection to the first
	EndedBy  Side  // the connection that ended first: with its FIN, or with the error of the relay
}

// Side is one of the two connections.
type Side uint8

const (
	Neither Side = iota // the idle timeout has ended both
	First
	Second
)

// Relay copies data between a and b in both directions until both have ended, and closes both. The error is nil if each
// ended with a FIN, and ErrIdle after the idle timeout. Otherwise it is the first error of a read or a write, after
// which both connections are reset.
//
// Relay uses one goroutine in addition to its caller's. Data that arrives on a *stack.Conn is written to the other
// connection from the receive buffer, without a copy in between.
func Relay(a, b Conn, c Config) (Result, error) {
	r := relay{a: a, b: b}
	if c.IdleTimeout > 0 {
		r.watch(c.IdleTimeout)
		defer r.idle.Stop()
	}
	r.sending.Add(1)
	go r.send()
	received := r.copy(a, b)
	r.sending.Wait()
	result := Result{r.sent, received, Side(r.ended.Load())}
	r.once.Do(func() { // unless abort has, or the timer's function is about to
		a.Close()
		b.Close()
	})
	return result, r.err
}

type relay struct {
	a, b  Conn
	once  sync.Once
	err   error         // set in once
	ended atomic.Uint32 // Result.EndedBy
	moved atomic.Int64
	idle  *time.Timer // nil without a limit

	sending sync.WaitGroup
	sent    int64 // set before sending is done
}

// send copies from the first connection to the second. Its calls fit into the stack of 2 KiB with which a goroutine
// begins, and which an idle connection keeps.
func (r *relay) send() {
	r.sent = r.copy(r.b, r.a)
	r.sending.Done()
}

// copy copies from src to dst until src ends, and ends that direction of dst in the same way. It chooses the way that
// copies the data once, and calls it itself: the frames of io.Copy would double the stacks of idle goroutines.
func (r *relay) copy(dst, src Conn) int64 {
	from, writes := src.(io.WriterTo)
	if _, kernel := src.(*net.TCPConn); kernel { // its WriteTo would copy through a buffer
		writes = false
	}
	to, reads := dst.(io.ReaderFrom)
	var n int64
	var err error
	switch {
	case writes:
		n, err = from.WriteTo(r.writer(dst))
	case reads:
		n, err = to.ReadFrom(r.reader(src))
	default:
		n, err = io.Copy(r.writer(dst), src)
	}
	r.end(dst, src, err)
	return n
}

// end ends the direction from src to dst after a copy that has returned err.
func (r *relay) end(dst, src Conn, err error) {
	if err == nil {
		r.ended.CompareAndSwap(uint32(Neither), uint32(r.side(src)))
		err = dst.CloseWrite()
	}
	if err != nil {
		r.abort(err)
	}
}

// writer returns a writer to dst that counts the data if there is an idle timeout.
func (r *relay) writer(dst Conn) io.Writer {
	if r.idle == nil {
		return dst
	}
	return countingWriter{dst, &r.moved}
}

// reader returns a reader of src that counts the data if there is an idle timeout.
func (r *relay) reader(src Conn) io.Reader {
	if r.idle == nil {
		return src
	}
	return rawread.Count(src, &r.moved)
}

// abort resets both connections, with err as the cause if it is the first.
func (r *relay) abort(err error) {
	r.once.Do(func() {
		r.err = err
		r.ended.Store(uint32(r.failed(err)))
		for _, c := range []Conn{r.a, r.b} {
			c.SetLinger(0)
			c.Close()
		}
	})
}

// side returns the side of a connection.
func (r *relay) side(c Conn) Side {
	if c == r.a {
		return First
	}
	return Second
}

// failed returns the side of the connection that an error of a copy comes from. The copy's *net.OpError is around that
// of the connection.
func (r *relay) failed(err error) Side {
	var remote net.Addr
	for {
		op, ok := errors.AsType[*net.OpError](err)
		if !ok {
			break
		}
		remote, err = op.Addr, op.Err
	}
	if remote == nil {
		return Neither
	}
	if remote.String() == r.a.RemoteAddr().String() {
		return First
	}
	return Second
}

// watch ends the relay when no data has been copied between two checks.
func (r *relay) watch(timeout time.Duration) {
	ready := make(chan struct{})
	last := int64(0)
	r.idle = time.AfterFunc(timeout, func() {
		<-ready
		moved := r.moved.Load()
		if moved == last {
			r.abort(ErrIdle)
			return
		}
		last = moved
		r.idle.Reset(timeout)
	})
	close(ready)
}

type countingWriter struct {
	io.Writer
	n *atomic.Int64
}

func (c countingWriter) Write(p []byte) (int, error) {
	n, err := c.Writer.Write(p)
	c.n.Add(int64(n))
	return n, err
}

// WriteBuffers writes b with one call if the writer can. A *stack.Conn calls it.
func (c countingWriter) WriteBuffers(b *net.Buffers) (int64, error) {
	n, err := b.WriteTo(c.Writer)
	c.n.Add(n)
	return n, err
}
