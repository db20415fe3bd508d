package stack

import (
	"io"
	"sync"

	"minitcp/conn/buffer"
)

// copyBuffers lend maxCopy bytes. bulkBuffers lend enough for a superframe larger than an IP packet, for a copy whose
// source always has more data.
var (
	copyBuffers = sync.Pool{New: func() any { return newBuffer(maxCopy) }}
	bulkBuffers = sync.Pool{New: func() any { return newBuffer(4 * maxCopy) }}
)

func newBuffer(size int) *[]byte {
	b := make([]byte, size)
	return &b
}

// ReadFrom writes the data of r to the connection until io.EOF, which is not an error. [io.Copy] uses it. An error,
// including an error of r, is an *net.OpError of the operation "readfrom", as with *net.TCPConn.
func (c *Conn) ReadFrom(r io.Reader) (int64, error) {
	n, err := c.readFrom(r)
	return n, opError("readfrom", c.LocalAddr(), c.RemoteAddr(), err)
}

func (c *Conn) readFrom(r io.Reader) (n int64, err error) {
	pool := &copyBuffers
	b := pool.Get().(*[]byte)
	defer func() { pool.Put(b) }()
	mss := max(1, c.Info().MSS)
	for {
		whole := len(*b) - len(*b)%mss // otherwise each Write would end in a small segment
		m, err := r.Read((*b)[:whole])
		if m > 0 {
			written, err := c.write((*b)[:m])
			n += int64(written)
			if err != nil {
				return n, asNet("write", err)
			}
		}
		if err != nil {
			if err == io.EOF {
				err = nil
			}
			return n, err
		}
		want := &copyBuffers
		if m == whole && c.takesMore() {
			want = &bulkBuffers
		}
		if pool != want {
			pool.Put(b)
			pool = want
			b = pool.Get().(*[]byte)
		}
	}
}

// takesMore reports whether the connection sends superframes larger than an IP packet, and there is memory to fill
// them.
func (c *Conn) takesMore() bool {
	c.entry.mu.Lock()
	defer c.entry.mu.Unlock()
	return c.stack.frameLimit.of(c.stack.clock.now(), c.entry) > superframe && c.stack.cfg.Conn.Pressure.Level() < buffer.Scarce
}

// WriteTo writes the data of the connection to w until the peer's FIN. [io.Copy] uses it. Bulk data is written from the
// frames in which it arrived. An error, including an error of w, is an *net.OpError of the operation "writeto", as with
// *net.TCPConn.
func (c *Conn) WriteTo(w io.Writer) (int64, error) {
	n, err := c.writeTo(w)
	return n, opError("writeto", c.LocalAddr(), c.RemoteAddr(), err)
}

func (c *Conn) writeTo(w io.Writer) (n int64, err error) {
	b := copyBuffers.Get().(*[]byte)
	defer copyBuffers.Put(b)
	for {
		data, memory, err := c.next(*b, true)
		if err == io.EOF {
			return n, nil
		}
		if err != nil {
			return n, asNet("read", err)
		}
		m, err := w.Write(data)
		if n += int64(m); err == nil && m < len(data) {
			err = io.ErrShortWrite
		}
		if memory != nil {
			memory.Release()
		}
		if err != nil {
			return n, err
		}
	}
}
