package stack

import (
	"bytes"
	"io"
	"net"
	"testing"
	"time"

	"minitcp/conn/wire"
	"minitcp/stack/internal/memory"
)

// The data of a superframe stays where the device has put it until it is read, counts against the budget meanwhile, and
// what the queue reads next goes elsewhere.
func TestFrameIsKeptUntilRead(t *testing.T) {
	l := newLone(t, Config{})
	pool := l.s.cfg.Conn.Pool.(*memory.Pool)
	data := make([]byte, memory.LeastLoan+100)
	for i := range data {
		data[i] = byte(i * 7 >> 3)
	}
	send := func() {
		l.superframe(packet(segmentSpec{flags: wire.ACK | wire.PSH, data: data}))
		l.seq += uint32(len(data))
	}
	before := &l.q.Frames[0][0]
	send()
	if &l.q.Frames[0][0] == before {
		t.Fatal("the next frame is read over the one that is kept")
	}
	if n := pool.Lent(); n != memory.FramePages {
		t.Errorf("%d pages lent, want %d", n, memory.FramePages)
	}
	clear(l.q.Frames[0])
	got := make([]byte, 100)
	if _, err := io.ReadFull(l.c, got); err != nil || !bytes.Equal(got, data[:100]) {
		t.Fatalf("the first 100 bytes are wrong, or %v", err)
	}
	send()

	// WriteTo gets the rest of the first and the second where they are, and the loans come back.
	var pieces pieceWriter
	fin := packet(segmentSpec{flags: wire.FIN | wire.ACK})
	l.numbers(fin)
	l.frame(fin)
	l.c.SetReadDeadline(time.Now().Add(10 * time.Second)) // not to wait for ever if it is broken
	n, err := l.c.WriteTo(&pieces)
	if want := append(bytes.Clone(data[100:]), data...); err != nil || n != int64(len(want)) || !bytes.Equal(bytes.Join(pieces, nil), want) {
		t.Fatalf("WriteTo: %d bytes, %v, or wrong ones", n, err)
	}
	if len(pieces) != 2 {
		t.Errorf("%d pieces, want 2: the rest of the first, and the second", len(pieces))
	}
	if n := pool.Lent(); n != 0 {
		t.Errorf("%d pages lent after everything was read", n)
	}
}

// The data of frames that wait together is written with one call of at most four frames if the writer takes several
// buffers, and frame by frame otherwise. The frames come back.
func TestFramesAreWrittenTogether(t *testing.T) {
	for name, test := range map[string]struct {
		w     func(*pieceWriter) io.Writer
		calls int
	}{
		"Write":        {func(p *pieceWriter) io.Writer { return p }, 6},
		"WriteBuffers": {func(p *pieceWriter) io.Writer { return vectorPieces{p} }, 2},
	} {
		l, want := sixFrames(t)
		var pieces pieceWriter
		n, err := l.c.WriteTo(test.w(&pieces))
		if err != nil || n != int64(len(want)) || !bytes.Equal(bytes.Join(pieces, nil), want) {
			t.Errorf("%s: %d bytes, %v; want the %d bytes sent", name, n, err, len(want))
		}
		if len(pieces) != test.calls {
			t.Errorf("%s: %d calls, want %d", name, len(pieces), test.calls)
		}
		if n := l.s.cfg.Conn.Pool.(*memory.Pool).Lent(); n != 0 {
			t.Errorf("%s: %d pages lent after everything was written", name, n)
		}
	}
}

// A TCP socket of package net gets the data of frames that wait together in order. A failed write returns the frames.
func TestFramesToSocket(t *testing.T) {
	for _, fails := range []bool{false, true} {
		l, want := sixFrames(t)
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		socket, err := net.Dial("tcp", listener.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		peer, err := listener.Accept()
		if err != nil {
			t.Fatal(err)
		}
		if fails {
			socket.Close()
		}
		received := make(chan []byte, 1)
		go func() {
			b, _ := io.ReadAll(peer)
			received <- b
		}()
		_, err = l.c.WriteTo(socket)
		if (err != nil) != fails {
			t.Errorf("WriteTo to a socket, closed: %v: %v", fails, err)
		}
		socket.Close()
		if got := <-received; !fails && !bytes.Equal(got, want) {
			t.Errorf("%d bytes arrive, want the %d bytes sent", len(got), len(want))
		}
		l.c.Close()
		if n := l.s.cfg.Conn.Pool.(*memory.Pool).Lent(); n != 0 {
			t.Errorf("%d pages lent after the copy, closed: %v", n, fails)
		}
		peer.Close()
		listener.Close()
	}
}

// sixFrames returns a stack whose connection has received six superframes and a FIN, and their data.
func sixFrames(t *testing.T) (*lone, []byte) {
	l := newLone(t, Config{})
	var all []byte
	for i := range 6 {
		data := bytes.Repeat([]byte{byte(i)}, memory.LeastLoan+i)
		all = append(all, data...)
		l.superframe(packet(segmentSpec{flags: wire.ACK | wire.PSH, data: data}))
		l.seq += uint32(len(data))
	}
	fin := packet(segmentSpec{flags: wire.FIN | wire.ACK})
	l.numbers(fin)
	l.frame(fin)
	return l, all
}

// vectorPieces notes the buffers of each call as one piece.
type vectorPieces struct{ *pieceWriter }

func (w vectorPieces) WriteBuffers(b *net.Buffers) (int64, error) {
	n, err := w.Write(bytes.Join(*b, nil))
	return int64(n), err
}

type pieceWriter [][]byte

func (w *pieceWriter) Write(p []byte) (int, error) {
	*w = append(*w, bytes.Clone(p))
	return len(p), nil
}

// Small data is copied, because a frame is too much memory for it. So is data beyond a gap.
func TestFrameIsNotKept(t *testing.T) {
	l := newLone(t, Config{})
	before := &l.q.Frames[0][0]
	l.superframe(packet(segmentSpec{flags: wire.ACK, data: make([]byte, memory.LeastLoan-1)}))
	l.seq += memory.LeastLoan - 1 + 1000
	l.superframe(packet(segmentSpec{flags: wire.ACK, data: make([]byte, memory.LeastLoan)}))
	if &l.q.Frames[0][0] != before {
		t.Error("a frame was kept")
	}
	if got, want := l.c.Info().OutOfOrder, uint64(1); got != want {
		t.Errorf("%d segments out of order, want %d", got, want)
	}
}

// A connection that ends gives back the frames of its unread data.
func TestFrameComesBackAtTheEnd(t *testing.T) {
	l := newLone(t, Config{})
	l.superframe(packet(segmentSpec{flags: wire.ACK, data: make([]byte, memory.LeastLoan)}))
	l.c.Close()
	if n := l.s.cfg.Conn.Pool.(*memory.Pool).Lent(); n != 0 {
		t.Errorf("%d pages lent after Close", n)
	}
}
