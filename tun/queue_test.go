//go:build linux

package tun

import (
	"bytes"
	"encoding/binary"
	"errors"
	"net"
	"net/netip"
	"os"
	"sync"
	"testing"
	"time"
)

// queued is a datagram and the number of its queue.
type queued struct {
	queue int
	data  []byte
}

// readQueues reads every queue of a device until Close, and sends the datagrams in a channel.
func readQueues(t *testing.T, d *Device) <-chan queued {
	arrived := make(chan queued, 1000)
	var readers sync.WaitGroup
	for i := range d.Queues() {
		if err := d.queues[i].use(); err != nil { // as the first read does, perhaps later than the test's first frame
			t.Fatal(err)
		}
		readers.Go(func() {
			frames, sizes := buffers(4)
			for {
				n, err := d.ReadQueue(i, frames, sizes)
				if err != nil {
					if !errors.Is(err, os.ErrClosed) {
						t.Errorf("queue %d: %v", i, err)
					}
					return
				}
				for j := range n {
					if _, protocol, payload := parseIP(frames[j][headerLen:sizes[j]]); protocol == protocolUDP {
						arrived <- queued{i, bytes.Clone(payload[8:])}
					}
				}
			}
		})
	}
	t.Cleanup(func() { d.Close(); readers.Wait() })
	return arrived
}

// TestQueuesShareTheFlows checks that every queue receives some of many flows, and that no frame is lost.
func TestQueuesShareTheFlows(t *testing.T) {
	ns := newNamespace(t)
	d := openDevice(t, Config{Namespace: ns, HostAddresses: prefixes("10.77.0.1/24"), Queues: 3})
	if d.Queues() != 3 {
		t.Fatalf("%d queues", d.Queues())
	}
	arrived := readQueues(t, d)
	const flows = 100
	inside(t, ns, func() error {
		for i := range flows {
			c, err := net.DialUDP("udp", nil, net.UDPAddrFromAddrPort(ourPort))
			if err != nil {
				return err
			}
			defer c.Close()
			if _, err := c.Write([]byte{byte(i)}); err != nil {
				return err
			}
		}
		return nil
	})
	seen, perQueue := make(map[byte]bool), make([]int, d.Queues())
	timeout := time.After(patience)
	for len(seen) < flows {
		select {
		case f := <-arrived:
			seen[f.data[0]] = true
			perQueue[f.queue]++
		case <-timeout:
			t.Fatalf("%d of %d frames have arrived", len(seen), flows)
		}
	}
	for i, n := range perQueue {
		if n == 0 {
			t.Errorf("none of %d flows arrives on queue %d: %v", flows, i, perQueue)
		}
	}
}

// TestFlowFollowsItsQueue checks that a flow arrives on the queue to which a reply was last written.
func TestFlowFollowsItsQueue(t *testing.T) {
	ns := newNamespace(t)
	d := openDevice(t, Config{Namespace: ns, HostAddresses: prefixes("10.77.0.1/24"), Queues: 2})
	arrived := readQueues(t, d)
	socket := dialUDP(t, ns)
	next := func() queued {
		t.Helper()
		if _, err := socket.Write([]byte("x")); err != nil {
			t.Fatal(err)
		}
		select {
		case f := <-arrived:
			return f
		case <-time.After(patience):
			t.Fatal("no datagram arrives")
			panic("unreachable")
		}
	}
	for _, queue := range []int{0, 1, 0, 1} {
		if err := d.WriteQueue(queue, udpFrame(ourPort, hostPort, "answer")); err != nil {
			t.Fatal(err)
		}
		if _, err := socket.Read(make([]byte, 100)); err != nil {
			t.Fatal(err)
		}
		if f := next(); f.queue != queue {
			t.Errorf("after a reply on queue %d the next frame arrives on queue %d", queue, f.queue)
		}
	}
}

// udpFrame returns a datagram without a checksum, in two parts [RFC 768].
func udpFrame(src, dst netip.AddrPort, data string) [][]byte {
	var h [8]byte
	binary.BigEndian.PutUint16(h[0:], src.Port())
	binary.BigEndian.PutUint16(h[2:], dst.Port())
	binary.BigEndian.PutUint16(h[4:], uint16(len(h)+len(data)))
	head := append(make([]byte, headerLen), ipHeader(src.Addr(), dst.Addr(), protocolUDP, len(h)+len(data))...)
	return [][]byte{append(head, h[:]...), []byte(data)}
}

// TestQueuesEndTogether checks that Close removes a device with several queues, and that its name is in use until then.
func TestQueuesEndTogether(t *testing.T) {
	ns := newNamespace(t)
	d := openDevice(t, Config{Name: "q%d", Namespace: ns, Queues: 4})
	if d.Name() != "q0" {
		t.Errorf("the device is called %q", d.Name())
	}
	_, err := Open(Config{Name: "q0", Namespace: ns, Queues: 4})
	checkError(t, err, ErrBusy, "q0")
	if err := d.Close(); err != nil {
		t.Error(err)
	}
	openDevice(t, Config{Name: "q0", Namespace: ns})
}

// TestQueuesLoseNothing checks that no frame is lost in a device with several queues: before the first read, when a
// queue comes into use, and in bursts while all are read.
func TestQueuesLoseNothing(t *testing.T) {
	const flows, bursts = 64, 20
	ns := newNamespace(t)
	d := openDevice(t, Config{Namespace: ns, HostAddresses: prefixes("10.77.0.1/24"), Queues: 4})
	burst := func() {
		inside(t, ns, func() error {
			for range flows {
				c, err := net.DialUDP("udp", nil, net.UDPAddrFromAddrPort(ourPort))
				if err != nil {
					return err
				}
				_, err = c.Write([]byte("x"))
				if err = errors.Join(err, c.Close()); err != nil {
					return err
				}
			}
			return nil
		})
	}
	burst() // before the first read
	arrived := readQueues(t, d)
	for range bursts {
		burst()
	}
	for i := range flows * (1 + bursts) {
		select {
		case <-arrived:
		case <-time.After(patience):
			t.Fatalf("of %d datagrams %d have arrived", flows*(1+bursts), i)
		}
	}
}

// TestReadBatchOfSeveralQueues checks that ReadBatch alone reads every frame of a device with several queues.
func TestReadBatchOfSeveralQueues(t *testing.T) {
	const flows = 64
	ns := newNamespace(t)
	d := openDevice(t, Config{Namespace: ns, HostAddresses: prefixes("10.77.0.1/24"), Queues: 4})
	inside(t, ns, func() error {
		for range flows {
			c, err := net.DialUDP("udp", nil, net.UDPAddrFromAddrPort(ourPort))
			if err != nil {
				return err
			}
			_, err = c.Write([]byte("x"))
			if err = errors.Join(err, c.Close()); err != nil {
				return err
			}
		}
		return nil
	})
	frames, sizes := buffers(flows)
	for got := 0; got < flows; {
		n, err := d.ReadBatch(frames, sizes) // openDevice ends it after patience
		if err != nil {
			t.Fatalf("of %d datagrams %d arrive, then: %v", flows, got, err)
		}
		for i := range n {
			if isUDP(frames[i][:sizes[i]]) {
				got++
			}
		}
	}
}
