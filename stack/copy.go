package stack

import (
	"io"

	"minitcp/conn/buffer"
	"minitcp/stack/internal/block"
	"minitcp/stack/internal/frame"
	"minitcp/stack/internal/neterr"
	"minitcp/stack/internal/rawread"
)

// ReadFrom writes the data of r to the connection until io.EOF, which is not an error. [io.Copy] uses it. While it
// waits it holds no buffer for a TCP socket of package net, and one of 2 KiB for other readers, unless bulk data may
// continue. An error, including an error of r, is an *net.OpError of the operation "readfrom", as with *net.TCPConn.
func (c *Conn) ReadFrom(r io.Reader) (int64, error) {
	n, err := c.readFrom(r)
	return n, c.copyError("readfrom", err)
}

func (c *Conn) readFrom(r io.Reader) (n int64, err error) {
	source := rawread.Of(r)
	pool := &block.Buffers
	mss := c.mss() // otherwise each Write would end in a small segment
	for {
		b, m, err := source.ReadPooled(pool, mss)
		full := false
		if m > 0 {
			full = m == rawread.Whole(*b, mss)
			written, writeErr := c.write((*b)[:m])
			if n += int64(written); writeErr != nil {
				err = neterr.FromCall("write", writeErr)
			}
		}
		if b != nil {
			pool.Put(b)
		}
		if err != nil {
			if err == io.EOF {
				err = nil
			}
			return n, err
		}
		if pool = &block.Buffers; full && c.takesMore() {
			pool = &block.BulkBuffers
		}
	}
}

// mss returns the number of data bytes in a full segment.
func (c *Conn) mss() int {
	c.entry.mu.Lock()
	defer c.entry.mu.Unlock()
	return max(1, c.tcp.MSS())
}

// takesMore reports whether the connection sends superframes larger than an IP packet, and there is memory to fill
// them.
func (c *Conn) takesMore() bool {
	c.entry.mu.Lock()
	defer c.entry.mu.Unlock()
	return c.stack.frameLimitOf(c.stack.clock.Now(), c.entry) > frame.Superframe && c.stack.cfg.Conn.Pressure.Level() < buffer.Scarce
}

// WriteTo writes the data of the connection to w until the peer's FIN. [io.Copy] uses it. Bulk data is written from the
// frames in which it arrived, that of up to four frames with one call if w is a *net.TCPConn or has a method
// WriteBuffers(*net.Buffers) (int64, error). An error, including an error of w, is an *net.OpError of the operation
// "writeto", as with *net.TCPConn.
func (c *Conn) WriteTo(w io.Writer) (int64, error) {
	n, err := c.writeTo(w)
	return n, c.copyError("writeto", err)
}

// copyError returns err, which may be of the other end of the copy, as an *net.OpError.
func (c *Conn) copyError(op string, err error) error {
	if err == nil { // LocalAddr and RemoteAddr allocate
		return nil
	}
	return opError(op, c.LocalAddr(), c.RemoteAddr(), err)
}

func (c *Conn) writeTo(w io.Writer) (n int64, err error) {
	for {
		b, err := c.next()
		if err != nil {
			b.Release()
			if err == io.EOF {
				return n, nil
			}
			return n, neterr.FromCall("read", err)
		}
		m, err := b.WriteTo(w)
		b.Release()
		if n += m; err != nil {
			return n, err
		}
	}
}
