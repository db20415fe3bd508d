//go:build linux

package tun

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"

	"minitcp/tun/internal/uring"
)

// uringOf returns the io_uring reader of the device's first queue. Without one the test cannot run.
func uringOf(t *testing.T, d *Device) *uring.Reader {
	t.Helper()
	r := d.queues[0].reading.uring
	if r == nil {
		_, err := uring.New(d.queues[0].fd)
		notTested(t, fmt.Sprintf("io_uring: %v", err))
	}
	return r
}

// TestUringOrder checks that io_uring reads the frames that wait in their order, up to uring.Batch, whatever it read
// before, and returns EAGAIN when no more frame waits.
func TestUringOrder(t *testing.T) {
	_, d, socket := udpDevice(t)
	r := uringOf(t, d)
	frames, sizes := buffers(uring.Batch + 1)
	for _, sent := range []int{0, 1, 3, uring.Batch - 1, uring.Batch, uring.Batch + 1, 2 * uring.Batch, 5} {
		for i := range sent {
			if _, err := socket.Write(bytes.Repeat([]byte{byte(i)}, 1+i)); err != nil {
				t.Fatal(err)
			}
		}
		got := 0
		for n := uring.Batch; n == uring.Batch; {
			var errno, want unix.Errno
			n, errno = r.Read(frames, sizes)
			for i := range n {
				frame := frames[i][:sizes[i]]
				if !isUDP(frame) {
					continue // such as a router solicitation
				}
				if len(frame) != headerLen+28+1+got || frame[len(frame)-1] != byte(got) {
					t.Errorf("%d sent: frame %d is % x", sent, got, frame)
				}
				got++
			}
			if n < uring.Batch {
				want = unix.EAGAIN
			}
			if errno != want {
				t.Errorf("%d sent: Read returns %d frames and %v, want %v", sent, n, errno, want)
			}
		}
		if got != sent {
			t.Errorf("%d frames read, %d sent", got, sent)
		}
	}
	if n := testing.AllocsPerRun(100, func() { r.Read(frames, sizes) }); n != 0 {
		t.Errorf("Read allocates %v times", n)
	}
}

// TestUringOfDeletedDevice checks that the queue of a deleted device returns ErrGone if the failure appears in
// io_uring.
func TestUringOfDeletedDevice(t *testing.T) {
	ns, d, _ := udpDevice(t)
	r := uringOf(t, d)
	deleteLink(t, ns, d.Name())
	frames, sizes := buffers(2)
	if n, errno := r.Read(frames, sizes); n != 0 || errno != unix.EBADFD {
		t.Errorf("Read returns %d frames and %v, want EBADFD", n, errno)
	}
	q := d.queues[0]
	q.reading.n = 1 // within a batch
	if n, errno := q.readMore(q.fd, frames, sizes); n != 0 || errno != unix.EBADFD || q.reading.uring != nil {
		t.Errorf("readMore returns %d frames and %v, want EBADFD; io_uring in use: %v", n, errno, q.reading.uring != nil)
	}
	if _, err := d.ReadBatch(frames, sizes); !errors.Is(err, ErrGone) {
		t.Errorf("ReadBatch: %v, want ErrGone", err)
	}
}

// TestUringFails checks that frames are read with read(2), and none is lost, if io_uring begins to fail while they
// wait.
func TestUringFails(t *testing.T) {
	_, d, socket := udpDevice(t)
	uringOf(t, d)
	const sent = 10
	frames, sizes := buffers(4)
	read := func() {
		t.Helper()
		for got := 0; got < sent; {
			n, err := d.ReadBatch(frames, sizes) // fails after patience
			if err != nil {
				t.Fatalf("%d of %d datagrams read, then: %v", got, sent, err)
			}
			for i := range n {
				if frame := frames[i][:sizes[i]]; isUDP(frame) {
					if frame[len(frame)-1] != byte(got) {
						t.Errorf("datagram %d is % x", got, frame)
					}
					got++
				}
			}
		}
	}
	send := func() {
		t.Helper()
		for i := range sent {
			if _, err := socket.Write([]byte{byte(i)}); err != nil {
				t.Fatal(err)
			}
		}
	}
	send()
	read()
	send()
	replaceUring(t)
	read()
	if d.queues[0].reading.uring != nil {
		t.Error("the queue still uses the io_uring that failed")
	}
}

// replaceUring puts /dev/null in the place of every io_uring of this process, which makes io_uring_enter fail.
func replaceUring(t *testing.T) {
	t.Helper()
	null, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	defer null.Close()
	links, err := filepath.Glob("/proc/self/fd/*")
	if err != nil {
		t.Fatal(err)
	}
	replaced := 0
	for _, link := range links {
		if target, err := os.Readlink(link); err != nil || target != "anon_inode:[io_uring]" {
			continue
		}
		var fd int
		if _, err := fmt.Sscanf(link, "/proc/self/fd/%d", &fd); err != nil {
			t.Fatal(err)
		}
		if err := unix.Dup3(int(null.Fd()), fd, unix.O_CLOEXEC); err != nil {
			t.Fatal(err)
		}
		replaced++
	}
	if replaced == 0 {
		t.Fatal("this process has no io_uring")
	}
}

// TestWithoutUring runs every other test of this package where a seccomp filter refuses io_uring.
func TestWithoutUring(t *testing.T) {
	requireKernel(t)
	refuse := filepath.Join(t.TempDir(), "refuse")
	if out, err := exec.Command("go", "build", "-o", refuse, "minitcp/scripts/refuse").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for _, refused := range [][2]string{{"io_uring_setup", "EPERM"}, {"io_uring_setup", "ENOSYS"}, {"io_uring_enter", "EPERM"}, {"io_uring_enter", "EINVAL"}} {
		t.Run(refused[0]+" "+refused[1], func(t *testing.T) {
			out, err := exec.Command(refuse, refused[0], refused[1], os.Args[0], "-test.skip=^(TestUring.*|TestWithoutUring)$", "-test.v").CombinedOutput()
			if err != nil || !bytes.Contains(out, []byte("--- PASS: TestReadBatchReadsWaitingFrames")) || bytes.Contains(out, []byte("--- SKIP")) {
				t.Errorf("%v\n%s", err, out)
			}
		})
	}
}
