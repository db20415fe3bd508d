package wgnet

import (
	"encoding/binary"
	"errors"
	"net"
	"net/netip"
	"os"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"minitcp/conn/wire"
	"minitcp/stack"
)

// TestHeldBack checks that nothing is queued for connections while WireGuard does not read, that the datagrams in the
// queue are bounded, and that reading then brings everything.
func TestHeldBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d, n, err := CreateNetTUN([]netip.Addr{addressA}, nil, 1420)
		if err != nil {
			t.Fatal(err)
		}
		defer d.Close()
		queued := func() int {
			device := d.(*netTUN).device
			device.mu.Lock()
			defer device.mu.Unlock()
			return device.queue.count
		}
		const dials = 300
		for i := range dials {
			go n.DialTCPAddrPort(netip.AddrPortFrom(addressB, uint16(1000+i)))
		}
		synctest.Wait()
		if q := queued(); q != 0 {
			t.Errorf("%d packets are queued for connections, want none", q)
		}
		c, err := n.DialUDP(nil, &net.UDPAddr{IP: addressB.AsSlice(), Port: 9})
		if err != nil {
			t.Fatal(err)
		}
		for i := range 2 * maxQueued {
			if i == maxQueued {
				c.SetWriteDeadline(time.Unix(1, 0))
			}
			c.Write([]byte("datagram"))
		}
		if q := queued(); q != maxQueued {
			t.Errorf("%d datagrams are queued, want %d", q, maxQueued)
		}
		syns, datagrams := 0, 0
		for syns+datagrams < dials+maxQueued {
			packets, err := read(d)
			if err != nil {
				t.Fatal(err)
			}
			for _, p := range packets {
				var ip wire.IP
				if _, err := wire.ParseIP(p, &ip); err != nil {
					t.Fatal(err)
				}
				switch ip.Protocol {
				case wire.ProtocolTCP:
					syns++
				case wire.ProtocolUDP:
					datagrams++
				}
			}
		}
		if syns != dials || datagrams != maxQueued {
			t.Errorf("%d SYNs and %d datagrams were read, want %d and %d", syns, datagrams, dials, maxQueued)
		}
	})
}

// TestDatagramsWait checks that a Write of a datagram waits while the queue is full, until its deadline, until the
// socket or the device is closed, or until WireGuard reads.
func TestDatagramsWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d, n, err := CreateNetTUN([]netip.Addr{addressA}, nil, 1420)
		if err != nil {
			t.Fatal(err)
		}
		dial := func() *stack.UDPConn {
			c, err := n.DialUDP(nil, &net.UDPAddr{IP: addressB.AsSlice(), Port: 9})
			if err != nil {
				t.Fatal(err)
			}
			return c
		}
		fill := func() {
			c := dial()
			c.SetWriteDeadline(time.Now().Add(time.Second))
			for {
				if _, err := c.Write([]byte("datagram")); errors.Is(err, os.ErrDeadlineExceeded) {
					return
				} else if err != nil {
					t.Fatal(err)
				}
			}
		}
		fill()
		write := func(c *stack.UDPConn) <-chan error {
			result := make(chan error, 1)
			go func() {
				_, err := c.Write([]byte("waits"))
				result <- err
			}()
			synctest.Wait()
			select {
			case err := <-result:
				t.Fatalf("Write returned %v while the queue was full", err)
			default:
			}
			return result
		}
		c := dial()
		result := write(c)
		c.Close()
		if err := <-result; !errors.Is(err, net.ErrClosed) {
			t.Errorf("Write on a socket that was closed: %v, want net.ErrClosed", err)
		}
		result = write(dial())
		total := 0
		for total < maxQueued+1 {
			packets, err := read(d)
			if err != nil {
				t.Fatal(err)
			}
			total += len(packets)
			synctest.Wait()
		}
		if err := <-result; err != nil || total != maxQueued+1 {
			t.Errorf("Write after reading: %v, and %d packets, want %d", err, total, maxQueued+1)
		}
		fill()
		result = write(dial())
		d.Close()
		if err := <-result; !errors.Is(err, net.ErrClosed) {
			t.Errorf("Write on a device that was closed: %v, want net.ErrClosed", err)
		}
	})
}

// tcpPacket returns a segment of a connection from addressB to a forwarded address.
func tcpPacket(h wire.TCP) []byte {
	ip := wire.IP{Src: addressB, Dst: netip.MustParseAddr("192.0.2.1"), Protocol: wire.ProtocolTCP, HopLimit: 64}
	b := make([]byte, wire.IPv4HeaderLen+60)
	h.SrcPort, h.DstPort = 5000, 80
	n := wire.PutTCP(b[wire.IPv4HeaderLen:], &h)
	b = b[:wire.PutIP(b, &ip, n)+n]
	sum := wire.PseudoHeaderSum(ip.Src, ip.Dst, ip.Protocol, n)
	binary.BigEndian.PutUint16(b[wire.IPv4HeaderLen+16:], wire.ChecksumGather(sum, [][]byte{b[wire.IPv4HeaderLen:]}))
	return b
}

// TestClientGivesUp checks that the request of a forwarder ends with its client while WireGuard does not read: at once
// when the client resets the connection, and after 7 seconds when it does not repeat its SYN. Dial ends in time, too.
func TestClientGivesUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d, n, err := CreateNetTUN([]netip.Addr{addressA}, nil, 1420)
		if err != nil {
			t.Fatal(err)
		}
		defer d.Close()
		requests := make(chan *stack.ForwardRequest, 1)
		if _, err := n.Stack().ForwardTCP(stack.ForwardConfig{}, func(r *stack.ForwardRequest) { requests <- r }); err != nil {
			t.Fatal(err)
		}
		receive := func(h wire.TCP) {
			t.Helper()
			if _, err := d.Write([][]byte{tcpPacket(h)}, 0); err != nil {
				t.Fatal(err)
			}
		}
		for _, resets := range []bool{true, false} {
			receive(wire.TCP{Flags: wire.SYN, Seq: 1000})
			r := <-requests
			begin, want := time.Now(), 7*time.Second
			if resets {
				time.Sleep(time.Second) // a probe of the client waits by now
				receive(wire.TCP{Flags: wire.RST, Seq: 1001})
				want = time.Second
			}
			<-r.Context().Done()
			if took := time.Since(begin); took != want {
				t.Errorf("resets %v: the context ended after %v, want %v", resets, took, want)
			}
		}
		begin := time.Now()
		_, err = n.DialTCPAddrPort(netip.AddrPortFrom(addressB, 80))
		if took := time.Since(begin); !errors.Is(err, syscall.ETIMEDOUT) || took < time.Minute {
			t.Errorf("Dial: %v after %v, want ETIMEDOUT after the time limit of the handshake", err, took)
		}
	})
}

// TestShortBuffers checks that a packet that does not fit into WireGuard's buffer is not cut short, and that others
// follow it.
func TestShortBuffers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d, n, err := CreateNetTUN([]netip.Addr{addressA}, nil, 1420)
		if err != nil {
			t.Fatal(err)
		}
		defer d.Close()
		c, err := n.DialUDP(nil, &net.UDPAddr{IP: addressB.AsSlice(), Port: 9})
		if err != nil {
			t.Fatal(err)
		}
		go func() {
			synctest.Wait()
			c.Write(make([]byte, 1000))
			c.Write(make([]byte, 10))
		}()
		sizes := make([]int, 1)
		count, err := d.Read([][]byte{make([]byte, 100)}, sizes, 16)
		if err != nil || count != 1 || sizes[0] != 38 {
			t.Errorf("Read: %d packets, the first of %d bytes, %v, want one of 38", count, sizes[0], err)
		}
	})
}
