package tun

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	wgtun "golang.zx2c4.com/wireguard/tun"
	"golang.zx2c4.com/wireguard/tun/tuntest"
)

// frameOf returns a frame of a packet behind a header of zeros.
func frameOf(packet string) []byte { return append(make([]byte, headerLen), packet...) }

func TestAdapter(t *testing.T) {
	before := runtime.NumGoroutine()
	channels := tuntest.NewChannelTUN()
	a, err := Wrap(channels.TUN())
	if err != nil {
		t.Fatal(err)
	}
	if a.MTU() != tuntest.DefaultMTU || a.Name() != "loopbackTun1" || a.Offloads() {
		t.Errorf("the adapter has the name %q, MTU %d, offloads %v", a.Name(), a.MTU(), a.Offloads())
	}

	frames, sizes := [][]byte{bytes.Repeat([]byte{0xff}, headerLen+maxPacket)}, []int{0}
	for _, packet := range []string{"a packet", "b"} {
		go func() { channels.Outbound <- []byte(packet) }()
		n, err := a.ReadBatch(frames, sizes)
		if n != 1 || err != nil || !bytes.Equal(frames[0][:sizes[0]], frameOf(packet)) {
			t.Fatalf("ReadBatch returns %d, %v, %q; want %q behind zeros", n, err, frames[0][:sizes[0]], packet)
		}
	}

	frame := frameOf("another packet")
	if err := a.WriteFrame([][]byte{frame[:headerLen], frame[headerLen:15], nil, frame[15:]}); err != nil {
		t.Fatal(err)
	}
	clear(frame) // the adapter must not have retained it
	if got := <-channels.Inbound; string(got) != "another packet" {
		t.Errorf("the device got %q", got)
	}

	closed := make(chan error)
	go func() {
		_, err := a.ReadBatch(frames, sizes)
		closed <- err
	}()
	if err := errors.Join(a.Close(), a.Close()); err != nil {
		t.Error(err)
	}
	if err := <-closed; !errors.Is(err, os.ErrClosed) {
		t.Errorf("ReadBatch: %v, want os.ErrClosed", err)
	}
	if err := a.WriteFrame([][]byte{frameOf("x")}); !errors.Is(err, os.ErrClosed) {
		t.Errorf("WriteFrame: %v, want os.ErrClosed", err)
	}
	for deadline := time.Now().Add(10 * time.Second); runtime.NumGoroutine() > before; runtime.Gosched() {
		if time.Now().After(deadline) {
			t.Fatalf("%d goroutines, before %d", runtime.NumGoroutine(), before)
		}
	}
}

func TestAdapterRefuses(t *testing.T) {
	a, err := Wrap(&fakeDevice{mtu: 100, limit: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer a.Close()
	partial, super := frameOf("x"), frameOf("x")
	partial[0], super[1] = 1, 1
	for _, test := range []struct {
		name  string
		parts [][]byte
		want  error
	}{
		{"no parts", nil, ErrNeedsOffload},
		{"half a header", [][]byte{make([]byte, headerLen-1), make([]byte, 20)}, ErrNeedsOffload},
		{"partial checksum", [][]byte{partial}, ErrNeedsOffload},
		{"superframe", [][]byte{super}, ErrNeedsOffload},
		{"beyond the MTU", [][]byte{make([]byte, headerLen), make([]byte, 101)}, FrameError(syscall.EMSGSIZE)},
		{"at the MTU", [][]byte{make([]byte, headerLen), make([]byte, 100)}, nil},
	} {
		if err := a.WriteFrame(test.parts); !errors.Is(err, test.want) {
			t.Errorf("%s: %v, want %v", test.name, err, test.want)
		}
	}
	if n, err := a.ReadBatch(nil, nil); n != 0 || err == nil {
		t.Errorf("ReadBatch without buffers: %d, %v; want an error", n, err)
	}
}

// fakeDevice is a wireguard tun.Device that returns scripted batches of packets, and takes a while to write.
type fakeDevice struct {
	mtu, limit int
	mtuErr     error
	reads      []fakeRead
	slow       time.Duration // duration of Write per packet

	mu      sync.Mutex
	written []string
	most    int // packets in the largest Write
	refuse  error
	closed  bool
}

type fakeRead struct {
	packets []string
	err     error
}

func (d *fakeDevice) File() *os.File             { return nil }
func (d *fakeDevice) MTU() (int, error)          { return d.mtu, d.mtuErr }
func (d *fakeDevice) Name() (string, error)      { return "fake", nil }
func (d *fakeDevice) Events() <-chan wgtun.Event { return nil }
func (d *fakeDevice) BatchSize() int             { return d.limit }

func (d *fakeDevice) Read(bufs [][]byte, sizes []int, offset int) (int, error) {
	if len(d.reads) == 0 {
		return 0, io.ErrUnexpectedEOF
	}
	r := d.reads[0]
	d.reads = d.reads[1:]
	n := 0
	for ; n < len(r.packets) && n < len(bufs); n++ {
		sizes[n] = copy(bufs[n][offset:], r.packets[n])
	}
	if n < len(r.packets) {
		return n, wgtun.ErrTooManySegments
	}
	return n, r.err
}

func (d *fakeDevice) Write(bufs [][]byte, offset int) (int, error) {
	if d.slow > 0 {
		<-time.After(d.slow * time.Duration(len(bufs))) // virtual time, in a bubble
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.closed {
		return 0, os.ErrClosed
	}
	if d.refuse != nil {
		return 0, d.refuse
	}
	for i := range bufs {
		d.written = append(d.written, string(bufs[i][offset:]))
		clear(bufs[i]) // as wireguard's GRO may
		bufs[i] = nil
	}
	d.most = max(d.most, len(bufs))
	return len(bufs), nil
}

func (d *fakeDevice) Close() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.closed = true
	return nil
}

// TestAdapterKeepsExcessPackets checks that no packet is lost if the device returns more than the caller's frames hold.
func TestAdapterKeepsExcessPackets(t *testing.T) {
	d := &fakeDevice{mtu: 1500, limit: 5, reads: []fakeRead{
		{packets: []string{"0", "11", "222", "3333", "44444"}},
		{},
		{err: wgtun.ErrTooManySegments},
		{packets: []string{"5", "6"}, err: wgtun.ErrTooManySegments},
		{packets: []string{"7", "8", "9"}},
	}}
	a, err := Wrap(d)
	if err != nil {
		t.Fatal(err)
	}
	defer a.Close()
	var got []string
	for _, room := range []int{2, 1, 9, 3, 5} {
		frames, sizes := make([][]byte, room), make([]int, room)
		for i := range frames {
			frames[i] = make([]byte, headerLen+maxPacket)
		}
		n, err := a.ReadBatch(frames, sizes)
		if err != nil {
			t.Fatal(err)
		}
		for i := range n {
			if !bytes.HasPrefix(frames[i], make([]byte, headerLen)) {
				t.Errorf("header % x, want zeros", frames[i][:headerLen])
			}
			got = append(got, string(frames[i][headerLen:sizes[i]]))
		}
	}
	if s := fmt.Sprint(got); s != "[0 11 222 3333 44444 5 6 7 8 9]" {
		t.Errorf("got %s", s)
	}
	frames, sizes := [][]byte{make([]byte, headerLen+maxPacket)}, []int{0}
	if _, err := a.ReadBatch(frames, sizes); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("error %v, want that of the device", err)
	}
}

// TestAdapterWithSlowDevice checks that WriteFrame does not block, and returns ENOBUFS for the frames that the queue
// has no room for.
func TestAdapterWithSlowDevice(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &fakeDevice{mtu: 1500, limit: 4, slow: 100 * time.Microsecond}
		a, err := Wrap(d)
		if err != nil {
			t.Fatal(err)
		}
		start := time.Now()
		taken := 0
		for i := range 2 * sendQueueLen {
			err := a.WriteFrame([][]byte{make([]byte, headerLen), fmt.Append(nil, i)})
			if errors.Is(err, FrameError(syscall.ENOBUFS)) {
				break
			}
			if err != nil {
				t.Fatal(err)
			}
			taken++
		}
		if taken < sendQueueLen || taken == 2*sendQueueLen {
			t.Errorf("took %d frames at once, with a queue of %d", taken, sendQueueLen)
		}
		if time.Since(start) != 0 {
			t.Error("WriteFrame waited for the device")
		}
		if err := a.Close(); err != nil { // sends the queued frames
			t.Error(err)
		}
		if len(d.written) != taken || a.Lost() != 0 {
			t.Errorf("the device got %d frames of %d; %d lost", len(d.written), taken, a.Lost())
		}
		for i, s := range d.written {
			if s != fmt.Sprint(i) {
				t.Fatalf("frame %d is %q", i, s)
			}
		}
		if d.most != 4 {
			t.Errorf("at most %d packets at a time, want 4", d.most)
		}
	})
}

// TestAdapterWithStuckDevice checks that Close returns after flushTime if the device accepts no packets.
func TestAdapterWithStuckDevice(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &fakeDevice{mtu: 1500, limit: 1, slow: time.Hour}
		a, err := Wrap(d)
		if err != nil {
			t.Fatal(err)
		}
		for range 3 {
			if err := a.WriteFrame([][]byte{frameOf("x")}); err != nil {
				t.Fatal(err)
			}
		}
		start := time.Now()
		a.Close()
		if waited := time.Since(start); waited != flushTime {
			t.Errorf("Close waited %v, want %v", waited, flushTime)
		}
		<-time.After(4 * time.Hour) // virtual time: the device continues
		if len(d.written) != 0 || a.Lost() != 3 {
			t.Errorf("the closed device got %d frames; %d lost, want 3", len(d.written), a.Lost())
		}
	})
}

func TestAdapterCountsRefusedFrames(t *testing.T) {
	synctest.Test(t, func(t *testing.T) { // Close waits up to flushTime
		d := &fakeDevice{mtu: 1500, limit: 1, refuse: io.ErrShortWrite}
		a, err := Wrap(d)
		if err != nil {
			t.Fatal(err)
		}
		for range 3 {
			if err := a.WriteFrame([][]byte{frameOf("x")}); err != nil {
				t.Fatal(err)
			}
		}
		a.Close()
		if a.Lost() != 3 {
			t.Errorf("%d lost, want 3", a.Lost())
		}
	})
}

func TestWrapFails(t *testing.T) {
	if a, err := Wrap(&fakeDevice{mtuErr: io.ErrUnexpectedEOF}); a != nil || !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("Wrap of a device without MTU: %v, %v", a, err)
	}
}
