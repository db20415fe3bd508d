// Package block passes data that has arrived to a writer, from the frames in which it arrived or from a buffer.
package block

import (
	"io"
	"net"
	"sync"

	"minitcp/conn/buffer"
)

// Size is the size in bytes of the buffers of Buffers.
const Size = 64 << 10

// Buffers lend Size bytes. BulkBuffers lend enough for a superframe larger than an IP packet, for a copy whose source
// always has more data.
var (
	Buffers     = sync.Pool{New: func() any { return newBuffer(Size) }}
	BulkBuffers = sync.Pool{New: func() any { return newBuffer(4 * Size) }}
)

func newBuffer(size int) *[]byte {
	b := make([]byte, size)
	return &b
}

// Block is data that has arrived, in the application's memory, in that of frames or in a buffer of Buffers.
type Block struct {
	Data   []byte
	Frame  buffer.Borrowed // nil: it is not in a frame
	Buffer *[]byte         // nil: it is not in a buffer
	more   *more           // nil: no data of further frames follows
}

// Release returns the memory of the frames or the buffer.
func (b *Block) Release() {
	if b.Frame != nil {
		b.Frame.Release()
	}
	if b.Buffer != nil {
		Buffers.Put(b.Buffer)
	}
	if b.more != nil {
		b.more.release()
	}
}

// maxMore is the number of frames whose data one call of the writer gets, besides the first. With the first they have
// as much data as a superframe larger than an IP packet.
const maxMore = 3

// more is the data of the frames that follow the first.
type more struct {
	frames [maxMore]buffer.Borrowed
	data   [maxMore + 1][]byte // without data[0], until WriteTo is called
	count  int
	vector net.Buffers // of data
}

var morePool = sync.Pool{New: func() any { return new(more) }}

// Source returns data where it lies, or nil if it does not lie in frames. The *conn.Conn is one.
type Source interface {
	ReadBuffer() ([]byte, buffer.Borrowed)
}

// Follow adds the data that waits in frames after the block.
func (b *Block) Follow(source Source) {
	data, frame := source.ReadBuffer()
	if frame == nil {
		return
	}
	m := morePool.Get().(*more)
	for frame != nil {
		m.frames[m.count] = frame
		m.count++
		m.data[m.count] = data
		if m.count == maxMore {
			break
		}
		data, frame = source.ReadBuffer()
	}
	b.more = m
}

func (m *more) release() {
	for _, f := range m.frames[:m.count] {
		f.Release()
	}
	*m = more{}
	morePool.Put(m)
}

// vectorWriter writes several buffers with one call. The TCP sockets of package net do that as well, with writev(2).
type vectorWriter interface {
	WriteBuffers(*net.Buffers) (int64, error)
}

// WriteTo writes the block to w, with one call if w can.
func (b *Block) WriteTo(w io.Writer) (int64, error) {
	if b.more != nil {
		return b.writeVector(w)
	}
	n, err := w.Write(b.Data)
	if err == nil && n < len(b.Data) {
		err = io.ErrShortWrite
	}
	return int64(n), err
}

// writeVector is WriteTo for several slices.
func (b *Block) writeVector(w io.Writer) (int64, error) {
	m := b.more
	m.data[0] = b.Data
	m.vector = m.data[:m.count+1]
	switch w := w.(type) {
	case *net.TCPConn:
		return m.vector.WriteTo(w)
	case vectorWriter:
		return w.WriteBuffers(&m.vector)
	}
	var n int64
	for _, data := range m.vector {
		written, err := writeAll(w, data)
		if n += written; err != nil {
			return n, err
		}
	}
	return n, nil
}

// writeAll calls w.Write, and returns an error for a short write.
func writeAll(w io.Writer, data []byte) (int64, error) {
	n, err := w.Write(data)
	if err == nil && n < len(data) {
		err = io.ErrShortWrite
	}
	return int64(n), err
}
