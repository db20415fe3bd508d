package stack

import (
	"io"
	"net"
	"sync"

	"minitcp/conn/buffer"
)

// block is data that has arrived, in the application's memory, in that of frames or in a buffer of copyBuffers.
type block struct {
	data   []byte
	frame  buffer.Borrowed // nil: it is not in a frame
	copied *[]byte         // nil: it is not in a buffer
	more   *moreBlocks     // nil: no data of further frames follows
}

// release returns the memory of the frames or the buffer.
func (b *block) release() {
	if b.frame != nil {
		b.frame.Release()
	}
	if b.copied != nil {
		copyBuffers.Put(b.copied)
	}
	if b.more != nil {
		b.more.release()
	}
}

// maxMoreBlocks is the number of frames whose data one call of WriteTo's writer gets, besides the first. With the first
// they have as much data as a superframe larger than an IP packet.
const maxMoreBlocks = 3

// moreBlocks is the data of the frames that follow the first.
type moreBlocks struct {
	frames [maxMoreBlocks]buffer.Borrowed
	data   [maxMoreBlocks + 1][]byte // without data[0], until buffers is called
	count  int
	vector net.Buffers // of data
}

var moreBlocksPool = sync.Pool{New: func() any { return new(moreBlocks) }}

// following returns the data that waits in frames, nil if there is none. The entry's lock is held.
func (c *Conn) following() *moreBlocks {
	data, frame := c.tcp.ReadBuffer()
	if frame == nil {
		return nil
	}
	m := moreBlocksPool.Get().(*moreBlocks)
	for frame != nil {
		m.frames[m.count] = frame
		m.count++
		m.data[m.count] = data
		if m.count == maxMoreBlocks {
			break
		}
		data, frame = c.tcp.ReadBuffer()
	}
	return m
}

func (m *moreBlocks) release() {
	for _, f := range m.frames[:m.count] {
		f.Release()
	}
	*m = moreBlocks{}
	moreBlocksPool.Put(m)
}

// vectorWriter writes several buffers with one call. The TCP sockets of package net do that as well, with writev(2).
type vectorWriter interface {
	WriteBuffers(*net.Buffers) (int64, error)
}

// writeTo writes the block to w, with one call if w can.
func (b *block) writeTo(w io.Writer) (int64, error) {
	if b.more == nil {
		return writeAll(w, b.data)
	}
	m := b.more
	m.data[0] = b.data
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

// writeAll is w.Write with the error of a short one.
func writeAll(w io.Writer, data []byte) (int64, error) {
	n, err := w.Write(data)
	if err == nil && n < len(data) {
		err = io.ErrShortWrite
	}
	return int64(n), err
}
