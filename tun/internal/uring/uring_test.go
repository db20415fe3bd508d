//go:build linux

package uring

import (
	"os"
	"testing"

	"golang.org/x/sys/unix"
)

// newReader returns a Reader of one end of a pair of datagram sockets, and the other end.
func newReader(t *testing.T) (r *Reader, file, peer int) {
	t.Helper()
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_DGRAM|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Close(pair[0]); unix.Close(pair[1]) })
	r, err = New(pair[0])
	if err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal("NOT TESTED:", err)
		}
		t.Skip("NOT TESTED:", err)
	}
	t.Cleanup(r.Close)
	return r, pair[0], pair[1]
}

func send(t *testing.T, fd int, datagrams ...string) {
	t.Helper()
	for _, d := range datagrams {
		if _, err := unix.Write(fd, []byte(d)); err != nil {
			t.Fatal(err)
		}
	}
}

func buffers(n, size int) (frames [][]byte, sizes []int) {
	for range n {
		frames = append(frames, make([]byte, size))
	}
	return frames, make([]int, n)
}

func TestRead(t *testing.T) {
	r, _, peer := newReader(t)
	frames, sizes := buffers(2, 10)
	send(t, peer, "a", "bb", "ccc")
	for _, test := range []struct {
		want  []string
		errno unix.Errno
	}{{[]string{"a", "bb"}, 0}, {[]string{"ccc"}, unix.EAGAIN}, {nil, unix.EAGAIN}} {
		n, errno := r.Read(frames, sizes)
		if n != len(test.want) || errno != test.errno {
			t.Fatalf("Read returns %d frames and %v, want %d and %v", n, errno, len(test.want), test.errno)
		}
		for i, want := range test.want {
			if got := string(frames[i][:sizes[i]]); got != want {
				t.Errorf("frame %d is %q, want %q", i, got, want)
			}
		}
	}
}

// TestEnterFails checks that a Read whose system call fails takes no frame from the file.
func TestEnterFails(t *testing.T) {
	r, file, peer := newReader(t)
	frames, sizes := buffers(2, 10)
	send(t, peer, "a")
	ring := r.fd
	r.fd = -1
	n, errno := r.Read(frames, sizes)
	r.fd = ring
	if n != 0 || errno != unix.EBADF {
		t.Errorf("Read returns %d frames and %v, want EBADF", n, errno)
	}
	if n, err := unix.Read(file, frames[0]); n != 1 || err != nil || frames[0][0] != 'a' {
		t.Errorf("read(2) returns %d, %v, %q; want the frame", n, err, frames[0])
	}
	send(t, peer, "b")
	if n, errno := r.Read(frames, sizes); n != 1 || errno != unix.EAGAIN || frames[0][0] != 'b' {
		t.Errorf("the next Read returns %d frames and %v, want one and EAGAIN", n, errno)
	}
}

// TestMissingCompletion checks that Read returns, and fails from then on, if the kernel does not complete a read.
func TestMissingCompletion(t *testing.T) {
	r, _, _ := newReader(t)
	tail := *r.doneHead
	r.doneTail = &tail // no completion is ever seen
	frames, sizes := buffers(4, 10)
	for range 2 {
		if n, errno := r.Read(frames, sizes); n != 0 || errno != unix.EIO {
			t.Fatalf("Read returns %d frames and %v, want EIO", n, errno)
		}
	}
}
