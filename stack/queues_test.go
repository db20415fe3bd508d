package stack

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/netip"
	"os"
	"slices"
	"sync"
	"testing"

	"minitcp/conn/wire"
	"minitcp/stack/stacktest"
)

// Several queues handle the segments of each connection at once and in the wrong order: the data stays whole, and
// nothing is left behind. With the race detector this shows that they share nothing unguarded. Every queue is read and
// written.
func TestQueuesShareConnections(t *testing.T) {
	for _, queues := range []int{4, 8} {
		t.Run(fmt.Sprint(queues), func(t *testing.T) { testQueuesShareConnections(t, queues) })
	}
}

func testQueuesShareConnections(t *testing.T, queues int) {
	within(t, func(t *testing.T) {
		near, far := stacktest.New(stacktest.Config{Queues: queues})
		d := &lanesDevice{Device: near, read: make([]int, queues)}
		p := &pair{t: t, da: far, db: near}
		var err error
		if p.a, err = New(far, Config{Addresses: addressesA}); err != nil {
			t.Fatal(err)
		}
		defer p.a.Close()
		if p.b, err = New(d, Config{Addresses: addressesB}); err != nil {
			t.Fatal(err)
		}
		defer p.b.Close()
		defer d.wantAllUsed(t)
		l := p.listen()
		var ends sync.WaitGroup
		for i := range 16 {
			data := make([]byte, 300_000)
			rand.NewChaCha8([32]byte{byte(i)}).Read(data)
			client, server := p.connect(l)
			for _, c := range []*Conn{client, server} {
				ends.Go(func() {
					if _, err := c.Write(data); err != nil {
						t.Errorf("Write: %v", err)
					}
					c.CloseWrite()
				})
				ends.Go(func() {
					got, err := io.ReadAll(c)
					if err != nil || !bytes.Equal(got, data) {
						t.Errorf("read %d bytes, which are not the %d written; %v", len(got), len(data), err)
					}
				})
			}
			defer client.Close()
			defer server.Close()
		}
		ends.Wait()
	})
}

// lanesDevice is a device of several queues that remembers on which the stack writes.
type lanesDevice struct {
	*stacktest.Device
	mu      sync.Mutex
	written []int // queues, in order
	read    []int // frames, by queue; nil: not counted
}

func (d *lanesDevice) ReadQueue(queue int, frames [][]byte, sizes []int) (int, error) {
	n, err := d.Device.ReadQueue(queue, frames, sizes)
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.read != nil {
		d.read[queue] += n
	}
	return n, err
}

// wantAllUsed checks that frames were read from every queue and written to every queue.
func (d *lanesDevice) wantAllUsed(t *testing.T) {
	t.Helper()
	d.mu.Lock()
	defer d.mu.Unlock()
	for queue, n := range d.read {
		if n == 0 || !slices.Contains(d.written, queue) {
			t.Errorf("queue %d is not used: %d frames were read from it", queue, n)
		}
	}
}

func (d *lanesDevice) WriteQueue(queue int, parts [][]byte) error {
	d.mu.Lock()
	d.written = append(d.written, queue)
	d.mu.Unlock()
	return d.Device.WriteQueue(queue, parts)
}

func (d *lanesDevice) taken() []int {
	d.mu.Lock()
	defer d.mu.Unlock()
	w := d.written
	d.written = nil
	return w
}

// Segments leave on the queue of the last segment received, with and without a connection.
func TestSegmentsLeaveWhereTheLastCame(t *testing.T) {
	within(t, func(t *testing.T) {
		near, far := stacktest.New(stacktest.Config{Queues: 3})
		d := &lanesDevice{Device: near}
		s, err := New(d, Config{Addresses: addressesB})
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		defer far.Close()
		l, err := s.Listen("tcp", "10.77.0.2:80")
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		quiet() // every queue is read
		// The device deals frames to the queues in turn, from queue 1 on: a SYN to a listener, one to a closed port, a
		// datagram.
		for i, frame := range [][]byte{
			packet(segmentSpec{flags: wire.SYN}),
			packet(segmentSpec{flags: wire.SYN, dst: netip.MustParseAddrPort("10.77.0.2:81")}),
			ipPacket(addressesA[0].Addr(), addressesB[0].Addr(), wire.ProtocolUDP, emptyDatagram()),
		} {
			near.Inject(frame)
			quiet()
			if got := d.taken(); len(got) != 1 || got[0] != (i+1)%3 {
				t.Errorf("the answer to a segment on queue %d left on %v", (i+1)%3, got)
			}
		}
	})
}

// Closing ends every queue's goroutine; that none is left the bubble shows.
func TestQueuesCloseTogether(t *testing.T) {
	within(t, func(t *testing.T) {
		p := newPairOn(t, stacktest.Config{Queues: 2}, Config{}, Config{})
		l := p.listen()
		client, server := p.connect(l)
		defer client.Close()
		p.b.Close()
		if _, err := server.Read(make([]byte, 1)); !errors.Is(err, net.ErrClosed) {
			t.Errorf("Read: %v", err)
		}
		if err := p.db.WriteQueue(1, [][]byte{make([]byte, 30)}); !errors.Is(err, os.ErrClosed) {
			t.Errorf("the device is still open: %v", err)
		}
	})
}
