package loopback

import (
	"os"
	"syscall"
	"testing"
	"testing/synctest"

	"minitcp/conn/buffer"
	"minitcp/stack/internal/memory"
)

// read reads at most n frames and returns them as one string.
func read(t *testing.T, q *Queue, n int) (string, int) {
	t.Helper()
	frames, sizes := make([][]byte, n), make([]int, n)
	for i := range frames {
		frames[i] = make([]byte, 100)
	}
	n, err := q.ReadBatch(frames, sizes)
	if err != nil {
		t.Fatal(err)
	}
	text := ""
	for i := range n {
		text += string(frames[i][:sizes[i]])
	}
	return text, n
}

// Frames arrive in order. The function begin is called with the first of them.
func TestQueue(t *testing.T) {
	begun := 0
	q := New(memory.NewFrames(buffer.Heap{}), func() { begun++ })
	for _, parts := range [][][]byte{{[]byte("a"), []byte("b")}, {[]byte("cd")}, {[]byte("e")}} {
		if err := q.WriteFrame(parts); err != nil || begun != 1 {
			t.Fatalf("error %v, begin was called %d times", err, begun)
		}
	}
	if got, n := read(t, q, 2); got != "abcd" || n != 2 {
		t.Errorf("%d frames %q, want 2 %q", n, got, "abcd")
	}
	if got, n := read(t, q, 2); got != "e" || n != 1 {
		t.Errorf("%d frames %q, want 1 %q", n, got, "e")
	}
	if err := q.WriteFrame([][]byte{make([]byte, 1<<17)}); err != syscall.EMSGSIZE {
		t.Errorf("a frame of 128 KiB: %v, want %v", err, syscall.EMSGSIZE)
	}
	for range maxWaiting {
		q.WriteFrame([][]byte{[]byte("x")})
	}
	if err := q.WriteFrame([][]byte{[]byte("x")}); err != syscall.ENOBUFS {
		t.Errorf("a frame beyond the limit: %v, want %v", err, syscall.ENOBUFS)
	}
}

// A reader waits for a frame, and until Close.
func TestReadBatchWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := New(memory.NewFrames(buffer.Heap{}), func() {})
		var got string
		var err error
		go func() {
			got, _ = read(t, q, 1)
			_, err = q.ReadBatch(make([][]byte, 1), make([]int, 1))
		}()
		synctest.Wait()
		q.WriteFrame([][]byte{[]byte("frame")})
		synctest.Wait()
		if got != "frame" || err != nil {
			t.Errorf("after a frame %q, %v", got, err)
		}
		q.Close()
		synctest.Wait()
		if err != os.ErrClosed {
			t.Errorf("after Close the error is %v, want %v", err, os.ErrClosed)
		}
	})
}

// A closed queue takes no frame, and begins nothing.
func TestClosed(t *testing.T) {
	q := New(memory.NewFrames(buffer.Heap{}), func() { t.Error("begin is called") })
	q.Close()
	if err := q.WriteFrame([][]byte{[]byte("x")}); err != syscall.ENOBUFS {
		t.Errorf("%v, want %v", err, syscall.ENOBUFS)
	}
}

func TestNoDevice(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := NewNoDevice()
		done := false
		go func() {
			_, err := d.ReadBatch(nil, nil)
			done = err == os.ErrClosed
		}()
		if synctest.Wait(); done || d.WriteFrame(nil) == nil {
			t.Errorf("ReadBatch has returned: %v, or WriteFrame has no error", done)
		}
		d.Close()
		d.Close()
		if synctest.Wait(); !done {
			t.Error("ReadBatch has not returned os.ErrClosed")
		}
	})
}
