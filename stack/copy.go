package stack

import (
	"io"
	"sync"
)

var copyBuffers = sync.Pool{New: func() any { return new([maxCopy]byte) }}

// ReadFrom writes what it reads from r until io.EOF, which is not an error: for io.Copy.
func (c *Conn) ReadFrom(r io.Reader) (n int64, err error) {
	b := copyBuffers.Get().(*[maxCopy]byte)
	defer copyBuffers.Put(b)
	whole := maxCopy - maxCopy%max(1, c.Info().MSS) // or each Write would end in a small segment, though more follows
	for {
		m, err := r.Read(b[:whole])
		if m > 0 {
			written, err := c.Write(b[:m])
			n += int64(written)
			if err != nil {
				return n, err
			}
		}
		if err != nil {
			if err == io.EOF {
				err = nil
			}
			return n, err
		}
	}
}

// WriteTo writes what it reads from the connection to w until the peer's FIN: for io.Copy. Bulk data is written from where
// it arrived.
func (c *Conn) WriteTo(w io.Writer) (n int64, err error) {
	b := copyBuffers.Get().(*[maxCopy]byte)
	defer copyBuffers.Put(b)
	for {
		data, loan, err := c.next(b[:], true)
		if err == io.EOF {
			return n, nil
		}
		if err != nil {
			return n, c.opError("read", err)
		}
		m, err := w.Write(data)
		if n += int64(m); err == nil && m < len(data) {
			err = io.ErrShortWrite
		}
		if loan != nil {
			loan.Return()
		}
		if err != nil {
			return n, err
		}
	}
}
