package block

import (
	"bytes"
	"io"
	"net"
	"testing"

	"minitcp/conn/buffer"
)

// frame is a frame that counts its releases.
type frame struct{ released *int }

func (f frame) Release() { *f.released++ }

// frames is a Source of the data of some frames.
type frames struct {
	data     []string
	released int
}

func (s *frames) ReadBuffer() ([]byte, buffer.Borrowed) {
	if len(s.data) == 0 {
		return nil, nil
	}
	data := []byte(s.data[0])
	s.data = s.data[1:]
	return data, frame{&s.released}
}

// calls is a writer that counts its calls.
type calls struct {
	bytes.Buffer
	n int
}

func (c *calls) Write(p []byte) (int, error) { c.n++; return c.Buffer.Write(p) }

// vector is a writer of several buffers at once.
type vector struct{ calls }

func (v *vector) WriteBuffers(b *net.Buffers) (int64, error) {
	v.n++
	return b.WriteTo(&v.Buffer)
}

// A block has the data of its frame and of up to three more, which a writer of vectors gets with one call.
func TestBlock(t *testing.T) {
	for _, c := range []struct {
		frames       int
		want         string
		calls, among int // of Write, and of WriteBuffers or Write
	}{
		{1, "1", 1, 1}, {2, "12", 2, 1}, {4, "1234", 4, 1}, {6, "1234", 4, 1},
	} {
		block := func() (*Block, *frames) {
			s := &frames{data: []string{"1", "2", "3", "4", "5", "6"}[:c.frames]}
			b := &Block{}
			b.Data, b.Frame = s.ReadBuffer()
			b.Follow(s)
			return b, s
		}
		b, s := block()
		plain := &calls{}
		if n, err := b.WriteTo(plain); n != int64(len(c.want)) || err != nil || plain.String() != c.want || plain.n != c.calls {
			t.Errorf("%d frames: %q in %d calls, %d, %v; want %q in %d", c.frames, plain.String(), plain.n, n, err, c.want, c.calls)
		}
		if b.Release(); s.released != len(c.want) || len(s.data) != c.frames-len(c.want) {
			t.Errorf("%d frames: %d are released and %d left", c.frames, s.released, len(s.data))
		}
		b, _ = block()
		v := &vector{}
		if n, err := b.WriteTo(v); n != int64(len(c.want)) || err != nil || v.String() != c.want || v.n != c.among {
			t.Errorf("%d frames: %q in %d calls, %d, %v; want %q in %d", c.frames, v.String(), v.n, n, err, c.want, c.among)
		}
		b.Release()
	}
}

// short is a writer that takes a byte less than it is given.
type short struct{}

func (short) Write(p []byte) (int, error) { return len(p) - 1, nil }

func TestShortWrite(t *testing.T) {
	b := &Block{Data: []byte("data")}
	if n, err := b.WriteTo(short{}); n != 3 || err != io.ErrShortWrite {
		t.Errorf("%d, %v; want 3, %v", n, err, io.ErrShortWrite)
	}
	s := &frames{data: []string{"more"}}
	b.Follow(s)
	if n, err := b.WriteTo(short{}); n != 3 || err != io.ErrShortWrite {
		t.Errorf("of two frames: %d, %v; want 3, %v", n, err, io.ErrShortWrite)
	}
	b.Release()
}

func TestBuffer(t *testing.T) {
	b := Block{Buffer: Buffers.Get().(*[]byte)}
	if n := len(*b.Buffer); n != Size {
		t.Errorf("a buffer has %d bytes, want %d", n, Size)
	}
	b.Release()
}
