//go:build linux

package tun

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"runtime"
	"strconv"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

var (
	ourPort  = netip.MustParseAddrPort("10.77.0.2:7")
	hostPort = netip.MustParseAddrPort("10.77.0.1:7")
)

// udpDevice opens a device, and a socket of the kernel that sends to the device's side.
func udpDevice(t *testing.T) (*Namespace, *Device, *net.UDPConn) {
	t.Helper()
	ns := newNamespace(t)
	d := openDevice(t, Config{Namespace: ns, HostAddresses: prefixes("10.77.0.1/24")})
	return ns, d, dialUDP(t, ns)
}

// dialUDP returns a socket of the kernel from hostPort to ourPort.
func dialUDP(t *testing.T, ns *Namespace) (socket *net.UDPConn) {
	t.Helper()
	inside(t, ns, func() (err error) {
		socket, err = net.DialUDP("udp", net.UDPAddrFromAddrPort(hostPort), net.UDPAddrFromAddrPort(ourPort))
		return err
	})
	t.Cleanup(func() { socket.Close() })
	socket.SetDeadline(time.Now().Add(patience))
	return socket
}

func isUDP(frame []byte) bool {
	_, protocol, _ := parseIP(frame[headerLen:])
	return protocol == protocolUDP
}

// TestReadBatchReadsWaitingFrames checks that each call reads as many frames as fit, in their order.
func TestReadBatchReadsWaitingFrames(t *testing.T) {
	_, d, socket := udpDevice(t)
	const sent, room = 10, 4
	for i := range sent {
		if _, err := socket.Write([]byte{byte(i)}); err != nil {
			t.Fatal(err)
		}
	}
	// All are queued by now. Each call reads as many as it has buffers for, the last one the rest.
	frames, sizes := buffers(room)
	got, calls := 0, 0
	for got < sent {
		n, err := d.ReadBatch(frames, sizes)
		if err != nil {
			t.Fatal(err)
		}
		calls++
		for i := range n {
			frame := frames[i][:sizes[i]]
			if !isUDP(frame) {
				continue // such as a router solicitation
			}
			if len(frame) != headerLen+20+8+1 || frame[len(frame)-1] != byte(got) {
				t.Errorf("frame %d is % x", got, frame)
			}
			got++
		}
		if n < room && got < sent {
			t.Errorf("call %d returns %d frames, and more wait", calls, n)
		}
	}
	if n, err := d.ReadBatch(nil, nil); n != 0 || err == nil {
		t.Errorf("ReadBatch without buffers: %d, %v; want an error", n, err)
	}
}

// readToTheEnd reads from d until a read fails, and returns the error in a channel.
func readToTheEnd(d *Device) <-chan error {
	failed := make(chan error)
	go func() {
		frames, sizes := buffers(1)
		for {
			if _, err := d.ReadBatch(frames, sizes); err != nil {
				failed <- err
				return
			}
		}
	}()
	return failed
}

func TestCloseEndsReadBatch(t *testing.T) {
	ns := newNamespace(t)
	before := runtime.NumGoroutine()
	for i := range 20 {
		t.Run(strconv.Itoa(i), func(t *testing.T) { // openDevice's watchdog is that of the subtest
			d := openDevice(t, Config{Namespace: ns})
			failed := readToTheEnd(d)
			if err := d.Close(); err != nil {
				t.Error(err)
			}
			if err := <-failed; !errors.Is(err, os.ErrClosed) {
				t.Errorf("ReadBatch: %v, want os.ErrClosed", err)
			}
			if err := d.WriteFrame([][]byte{make([]byte, 30)}); !errors.Is(err, os.ErrClosed) {
				t.Errorf("WriteFrame: %v, want os.ErrClosed", err)
			}
		})
	}
	eventually(t, "goroutines end", func() bool { return runtime.NumGoroutine() <= before })
}

func deleteLink(t *testing.T, ns *Namespace, name string) {
	t.Helper()
	withNetlink(t, ns, func(h *netlink.Handle) error {
		link, err := h.LinkByName(name)
		if err != nil {
			return err
		}
		return h.LinkDel(link)
	})
}

func TestDeletedByAnotherProgram(t *testing.T) {
	ns := newNamespace(t)
	d := openDevice(t, Config{Namespace: ns})
	failed := readToTheEnd(d)
	deleteLink(t, ns, d.Name())
	if err := <-failed; !errors.Is(err, ErrGone) {
		t.Errorf("ReadBatch: %v, want ErrGone", err)
	}
	if err := d.WriteFrame([][]byte{datagram(ourPort, hostPort, nil)}); !errors.Is(err, ErrGone) {
		t.Errorf("WriteFrame: %v, want ErrGone", err)
	}
}

func TestWriteFrameErrors(t *testing.T) {
	ns, d, _ := udpDevice(t)
	whole := datagram(ourPort, hostPort, []byte("x"))
	noIP := bytes.Clone(whole)
	noIP[headerLen] = 0
	for _, test := range []struct {
		name  string
		parts [][]byte
		want  syscall.Errno
	}{
		{"too short", [][]byte{whole[:headerLen-1]}, unix.EINVAL},
		{"no IP", [][]byte{noIP}, unix.EINVAL},
		{"too many parts", cut(whole, 1025), unix.EINVAL},
	} {
		err := d.WriteFrame(test.parts)
		if lost := FrameError(0); !errors.As(err, &lost) || !errors.Is(err, test.want) {
			t.Errorf("%s: %v, want a FrameError of %v", test.name, err, test.want)
		}
	}
	if err := d.WriteFrame(cut(whole, len(whole))); err != nil {
		t.Errorf("a part for each byte: %v", err)
	}
	withNetlink(t, ns, func(h *netlink.Handle) error {
		link, err := h.LinkByName(d.Name())
		if err != nil {
			return err
		}
		return h.LinkSetDown(link)
	})
	if err := d.WriteFrame([][]byte{whole}); !errors.Is(err, FrameError(unix.EIO)) {
		t.Errorf("device down: %v, want EIO", err)
	}
}

// cut returns n parts of one byte of a frame. Those beyond the frame's end repeat its last byte.
func cut(frame []byte, n int) (parts [][]byte) {
	for i := range n {
		at := min(i, len(frame)-1)
		parts = append(parts, frame[at:at+1])
	}
	return parts
}

// TestAddressesUsableAtOnce checks that the kernel accepts packets for its addresses as soon as Open returns. For IPv6
// Open has to wait for it.
func TestAddressesUsableAtOnce(t *testing.T) {
	ns := newNamespace(t)
	var socket *net.UDPConn
	inside(t, ns, func() (err error) {
		socket, err = net.ListenUDP("udp", &net.UDPAddr{Port: 7})
		return err
	})
	defer socket.Close()
	for i := range 20 {
		t.Run(strconv.Itoa(i), func(t *testing.T) {
			d := openDevice(t, Config{Namespace: ns, HostAddresses: prefixes("10.77.0.1/24", "fd77::1/64")})
			for _, ends := range []struct{ from, to string }{{"10.77.0.2:7", "10.77.0.1:7"}, {"[fd77::2]:7", "[fd77::1]:7"}} {
				frame := datagram(netip.MustParseAddrPort(ends.from), netip.MustParseAddrPort(ends.to), []byte("x"))
				if err := d.WriteFrame([][]byte{frame}); err != nil {
					t.Fatal(err)
				}
				socket.SetReadDeadline(time.Now().Add(patience / 2))
				if _, err := socket.Read(make([]byte, 1)); err != nil {
					t.Fatalf("%s: %v", ends.to, err)
				}
			}
			if err := d.Close(); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestConcurrentWriters(t *testing.T) {
	ns, d, socket := udpDevice(t)
	const writers, each = 8, 200
	var wg sync.WaitGroup
	for w := range writers {
		wg.Go(func() {
			data := bytes.Repeat([]byte{byte(w)}, 500+w)
			for i := range each {
				binary.BigEndian.PutUint16(data, uint16(i))
				frame := datagram(ourPort, hostPort, data)
				if err := d.WriteFrame([][]byte{frame[:20], frame[20:100], frame[100:]}); err != nil {
					t.Errorf("writer %d, frame %d: %v", w, i, err)
				}
			}
		})
	}
	// The socket's buffer may overflow, so some may be lost here. The others are whole and in order.
	arrived, first := make(chan int), make(chan struct{})
	go func() {
		n := 0
		last := [writers]int{}
		buffer := make([]byte, 1000)
		for {
			size, err := socket.Read(buffer)
			if err != nil {
				arrived <- n
				return
			}
			w, i := int(buffer[2]), int(binary.BigEndian.Uint16(buffer))
			if w >= writers || size != 500+w || i < last[w] || !bytes.Equal(buffer[2:size], bytes.Repeat([]byte{byte(w)}, size-2)) {
				t.Errorf("a datagram of %d bytes arrived damaged: % x", size, buffer[:8])
			} else {
				last[w] = i
			}
			if n++; n == 1 {
				close(first)
			}
		}
	}()
	wg.Wait()
	received := func() int {
		return int(links(t, ns)[d.Name()].Statistics.RxPackets)
	}
	eventually(t, "the kernel counts all frames", func() bool { return received() == writers*each })
	select {
	case <-first:
	case <-time.After(patience): // and n is 0
	}
	socket.SetReadDeadline(time.Now()) // the rest of its buffer is not needed
	if n := <-arrived; n == 0 {
		t.Error("no datagram arrived")
	}
}

func TestCloseUnderWriters(t *testing.T) {
	_, d, _ := udpDevice(t)
	var wg sync.WaitGroup
	started := make(chan struct{}, 4)
	for range cap(started) {
		wg.Go(func() {
			frame := [][]byte{datagram(ourPort, hostPort, []byte("x"))}
			err := d.WriteFrame(frame)
			started <- struct{}{}
			for err == nil {
				err = d.WriteFrame(frame)
			}
			if !errors.Is(err, os.ErrClosed) {
				t.Error(err)
			}
		})
	}
	for range cap(started) {
		<-started
	}
	if err := d.Close(); err != nil {
		t.Error(err)
	}
	wg.Wait()
}

// TestCloseWaitsForWriters checks that Close keeps every file open while a write to any of the queues is under way.
func TestCloseWaitsForWriters(t *testing.T) {
	ns := newNamespace(t)
	for busy := range 3 {
		t.Run(fmt.Sprint("queue ", busy), func(t *testing.T) {
			d := openDevice(t, Config{Namespace: ns, Queues: 3})
			q := d.queues[busy]
			q.life.RLock() // as in a write under way
			closed := make(chan error, 1)
			go func() { closed <- d.Close() }()
			eventually(t, "Close waits", func() bool {
				if q.life.TryRLock() {
					q.life.RUnlock()
					return false
				}
				return true
			})
			for i, q := range d.queues {
				if _, err := unix.FcntlInt(uintptr(q.fd), unix.F_GETFD, 0); err != nil {
					t.Errorf("the file of queue %d during a write to queue %d: %v", i, busy, err)
				}
			}
			select {
			case err := <-closed:
				t.Errorf("Close returned %v during a write", err)
			default:
			}
			q.life.RUnlock()
			if err := <-closed; err != nil {
				t.Error(err)
			}
			for i := range d.Queues() {
				if err := d.WriteQueue(i, [][]byte{make([]byte, 30)}); !errors.Is(err, os.ErrClosed) {
					t.Errorf("WriteQueue(%d) after Close: %v, want os.ErrClosed", i, err)
				}
			}
		})
	}
}

// TestCloseUnderWritersOfQueues closes a device while all queues are written to.
func TestCloseUnderWritersOfQueues(t *testing.T) {
	ns := newNamespace(t)
	d := openDevice(t, Config{Namespace: ns, HostAddresses: prefixes("10.77.0.1/24"), Queues: 4})
	var writers, started sync.WaitGroup
	for i := range 2 * d.Queues() {
		started.Add(1)
		writers.Go(func() {
			frame := [][]byte{datagram(ourPort, hostPort, []byte("x"))}
			err := d.WriteQueue(i%d.Queues(), frame)
			started.Done()
			for err == nil {
				err = d.WriteQueue(i%d.Queues(), frame)
			}
			if !errors.Is(err, os.ErrClosed) {
				t.Errorf("queue %d: %v, want os.ErrClosed", i%d.Queues(), err)
			}
		})
	}
	started.Wait()
	if err := d.Close(); err != nil {
		t.Error(err)
	}
	writers.Wait()
}

func TestNoAllocations(t *testing.T) {
	_, d, socket := udpDevice(t)
	frames, sizes := buffers(4)
	message := []byte("x")
	if n := testing.AllocsPerRun(500, func() {
		if _, err := socket.Write(message); err != nil {
			t.Fatal(err)
		}
		for found := false; !found; {
			n, err := d.ReadBatch(frames, sizes)
			if err != nil {
				t.Fatal(err)
			}
			for i := range n {
				found = found || isUDP(frames[i])
			}
		}
	}); n != 0 {
		t.Errorf("ReadBatch allocates %v times", n)
	}

	frame := datagram(ourPort, hostPort, make([]byte, 1000))
	parts := make([][]byte, 0, maxParts)
	for i := range maxParts - 1 {
		parts = append(parts, frame[i*15:(i+1)*15])
	}
	parts = append(parts, frame[(maxParts-1)*15:])
	if n := testing.AllocsPerRun(500, func() {
		if err := d.WriteFrame(parts); err != nil {
			t.Fatal(err)
		}
	}); n != 0 {
		t.Errorf("WriteFrame allocates %v times", n)
	}

	short := [][]byte{frame[:headerLen-1]}
	if n := testing.AllocsPerRun(100, func() {
		if err := d.WriteFrame(short); err == nil {
			t.Fatal("half a header was accepted")
		}
	}); n != 0 {
		t.Errorf("a WriteFrame that fails allocates %v times", n)
	}
}

// TestNoAllocationsWaiting checks that a ReadBatch that blocks in Go's poller does not allocate.
func TestNoAllocationsWaiting(t *testing.T) {
	_, d, socket := udpDevice(t)
	frames, sizes := buffers(1)
	message := []byte("x")
	waiting, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		for range waiting {
			runtime.Gosched() // mostly, ReadBatch blocks first
			socket.Write(message)
		}
	}()
	if n := testing.AllocsPerRun(500, func() {
		waiting <- struct{}{}
		for {
			if _, err := d.ReadBatch(frames, sizes); err != nil {
				t.Fatal(err)
			}
			if isUDP(frames[0]) {
				return
			}
		}
	}); n != 0 {
		t.Errorf("ReadBatch allocates %v times", n)
	}
	close(waiting)
	<-done
}
