package stack

import (
	"errors"
	"io"
	"net"
	"net/netip"
	"syscall"

	"minitcp/conn/wire"
	"minitcp/stack/internal/datagrams"
	"minitcp/stack/internal/frame"
	"minitcp/stack/internal/hostport"
)

// udpSocket is the common part of a [UDPConn] and a [UDPFlow].
type udpSocket struct{ datagramSocket }

// ReadFrom reads a datagram and returns its sender, a *net.UDPAddr.
func (c *udpSocket) ReadFrom(p []byte) (int, net.Addr, error) {
	n, addr, err := c.ReadFromUDP(p)
	if addr == nil {
		return n, nil, err
	}
	return n, addr, err
}

// ReadFromUDP acts like ReadFrom but returns a *net.UDPAddr.
func (c *udpSocket) ReadFromUDP(p []byte) (int, *net.UDPAddr, error) {
	d, n, _, err := c.receive("recvfrom", p)
	if err != nil {
		return n, nil, err
	}
	return n, net.UDPAddrFromAddrPort(d.Remote), nil
}

// ReadFromUDPAddrPort reads a datagram and returns its sender. It allocates nothing.
func (c *udpSocket) ReadFromUDPAddrPort(p []byte) (int, netip.AddrPort, error) {
	d, n, _, err := c.receive("recvfrom", p)
	return n, d.Remote, err
}

// Datagram is a datagram with its circumstances, for [UDPConn.ReadBatch] and [UDPConn.WriteBatch].
type Datagram struct {
	Buffer    []byte         // memory that ReadBatch copies the data to
	N         int            // number of bytes of data in Buffer
	Remote    netip.AddrPort // the peer; unused by WriteBatch on a connected socket
	Local     netip.Addr     // the stack's address; for WriteBatch, the zero Addr stands for the socket's
	ECN       wire.ECN       // the congestion codepoint in the IP header, at most wire.CE [RFC 3168 5]
	HopLimit  uint8          // set by ReadBatch to the TTL or hop limit with which the datagram has arrived
	Truncated bool           // set by ReadBatch if Buffer had no room for all data
}

// ReadBatch waits for a datagram, and reads those that have arrived, at most len(batch). It returns their number. Only
// the first one is truncated: the batch ends before another one that its Buffer has no room for.
func (c *udpSocket) ReadBatch(batch []Datagram) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(batch) == 0 {
		return 0, nil
	}
	if err := c.await("recvmmsg"); err != nil {
		return 0, err
	}
	n := 0
	for ; n < len(batch) && c.in.Len() > 0; n++ {
		m := &batch[n]
		if n > 0 && c.in.Next() > len(m.Buffer) {
			break
		}
		var d datagrams.Datagram
		d, m.N, m.Truncated = c.in.Pop(m.Buffer)
		m.Remote, m.Local, m.ECN, m.HopLimit = d.Remote, d.Local, d.ECN, d.HopLimit
	}
	return n, nil
}

// Wait waits until a datagram can be read, and reads none. Its errors are those of the calls that read. A program with
// many sockets needs memory only for the datagrams that it reads afterwards.
func (c *udpSocket) Wait() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.await("recvmsg")
}

// WriteTo sends p as one datagram to addr, which must be a *net.UDPAddr. On a connected socket the error is
// [net.ErrWriteToConnected].
func (c *udpSocket) WriteTo(p []byte, addr net.Addr) (int, error) {
	a, ok := addr.(*net.UDPAddr)
	if !ok {
		return 0, c.opError("write", addr, syscall.EINVAL)
	}
	return c.WriteToUDP(p, a)
}

// WriteToUDP acts like WriteTo but takes a *net.UDPAddr.
func (c *udpSocket) WriteToUDP(p []byte, addr *net.UDPAddr) (int, error) {
	if addr == nil {
		return 0, c.opError("write", nil, errMissingAddress)
	}
	return c.WriteToUDPAddrPort(p, addr.AddrPort())
}

var errMissingAddress = errors.New("missing address")

// WriteToUDPAddrPort sends p as one datagram to addr. It allocates nothing.
func (c *udpSocket) WriteToUDPAddrPort(p []byte, addr netip.AddrPort) (int, error) {
	if c.remote.IsValid() {
		return 0, c.opError("write", net.UDPAddrFromAddrPort(addr), net.ErrWriteToConnected)
	}
	return c.send("sendto", p, hostport.Unmapped(addr))
}

// send sends one datagram.
func (c *udpSocket) send(call string, p []byte, to netip.AddrPort) (int, error) {
	if err := c.sendDatagrams([]Datagram{{Buffer: p, N: len(p)}}, to); err != nil {
		return 0, c.writeError(call, to, err)
	}
	return len(p), nil
}

// WriteBatch sends the datagrams of batch and returns how many it has sent, which are fewer if there is an error.
// Consecutive datagrams of one size to one destination leave in common frames if the device is a [UDPSegmenter].
func (c *udpSocket) WriteBatch(batch []Datagram) (int, error) {
	for i := 0; i < len(batch); {
		d := &batch[i]
		if d.N < 0 || d.N > len(d.Buffer) {
			return i, c.opError("write", nil, io.ErrShortBuffer)
		}
		to := c.remote
		if !to.IsValid() {
			to = hostport.Unmapped(d.Remote)
		}
		n := c.alike(batch[i:])
		if err := c.sendDatagrams(batch[i:i+n], to); err != nil {
			return i, c.writeError("sendmmsg", to, err)
		}
		i += n
	}
	return len(batch), nil
}

// The largest superframe: Linux takes 64 datagrams (UDP_MAX_SEGMENTS), and an IPv6 packet has 65,535 bytes of payload.
const (
	maxJoined      = 64
	maxJoinedBytes = frame.MaxPacket - wire.IPv6HeaderLen - wire.UDPHeaderLen
)

// alike returns how many datagrams at the start of batch can leave in one frame: those of the first one's size,
// addresses and ECN, and a shorter one after them. It is 1 if the device takes no superframes of UDP.
func (c *udpSocket) alike(batch []Datagram) int {
	if !c.stack.segmentsUDP {
		return 1
	}
	first := &batch[0]
	return datagrams.Joinable(min(len(batch), maxJoined), maxJoinedBytes, func(i int) int { return batch[i].N }, func(i int) bool {
		d := &batch[i]
		return d.N <= len(d.Buffer) && d.Remote == first.Remote && d.Local == first.Local && d.ECN == first.ECN
	})
}
