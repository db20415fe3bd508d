package stack

import (
	"errors"
	"io"
	"net"
	"net/netip"
	"os"
	"sync"
	"syscall"
	"time"

	"minitcp/conn/wire"
)

// udpSocket is what a [UDPConn] and a [UDPFlow] have in common: a queue of datagrams that have arrived, and the settings of
// those that are sent.
type udpSocket struct {
	stack  *Stack
	owner  udpOwner
	addr   netip.AddrPort // LocalAddr's
	remote netip.AddrPort // of a connected UDPConn; else not valid

	mu           sync.Mutex
	rd, wr       waits
	queue        udpQueue
	limit        int   // of queue.bytes
	pending      error // an ICMP error that the next call returns
	closed       error // the error of all calls; nil: the socket is open
	pathMTU      int   // of a connected socket in bytes; 0: the device's
	dontFragment bool
	hopLimit     uint8
	trafficClass uint8
}

// udpOwner is the socket that a udpSocket is part of.
type udpOwner interface {
	// route returns the ends of a datagram to send, of which the application has given local, which may be the zero Addr, and
	// remote.
	route(local netip.Addr, remote netip.AddrPort) (from, to netip.AddrPort, err error)
	// forget takes the socket out of where arriving datagrams find it.
	forget()
}

// defaultUDPBuffer is the size of the queue in bytes, as on Linux.
const defaultUDPBuffer = 208 << 10

func (c *udpSocket) init(s *Stack, owner udpOwner) {
	c.stack, c.owner, c.limit, c.hopLimit = s, owner, defaultUDPBuffer, s.cfg.HopLimit
	c.rd.deadline.mu, c.rd.deadline.stops = &c.mu, &c.rd
	c.wr.deadline.mu = &c.mu
}

// LocalAddr returns the local address, a *net.UDPAddr.
func (c *udpSocket) LocalAddr() net.Addr { return net.UDPAddrFromAddrPort(c.addr) }

// opError wraps the error of a call.
func (c *udpSocket) opError(op string, to net.Addr, err error) error {
	if to == nil && c.remote.IsValid() {
		to = net.UDPAddrFromAddrPort(c.remote)
	}
	return &net.OpError{Op: op, Net: "udp", Source: c.LocalAddr(), Addr: to, Err: err}
}

// Close closes the socket. Datagrams that have not been read are discarded.
func (c *udpSocket) Close() error { return c.close(net.ErrClosed) }

// close is Close; calls on the socket fail with cause afterwards.
func (c *udpSocket) close(cause error) error {
	c.owner.forget()
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed != nil {
		return c.opError("close", nil, c.closed)
	}
	c.closed = cause
	c.queue.clear()
	c.rd.deadline.stop()
	c.wr.deadline.stop()
	return nil
}

// SetDeadline makes calls that read and write fail from t on; the zero time means never.
func (c *udpSocket) SetDeadline(t time.Time) error { return c.setDeadlines(t, &c.rd, &c.wr) }

// SetReadDeadline makes calls that read fail from t on; the zero time means never.
func (c *udpSocket) SetReadDeadline(t time.Time) error { return c.setDeadlines(t, &c.rd) }

// SetWriteDeadline makes calls that write fail from t on; the zero time means never. A write never blocks.
func (c *udpSocket) SetWriteDeadline(t time.Time) error { return c.setDeadlines(t, &c.wr) }

func (c *udpSocket) setDeadlines(t time.Time, directions ...*waits) error {
	return c.set(func() {
		for _, d := range directions {
			d.deadline.set(t)
		}
	})
}

// set calls change with the lock held, unless the socket is closed.
func (c *udpSocket) set(change func()) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed != nil {
		return c.opError("set", nil, c.closed)
	}
	change()
	return nil
}

// SetReadBuffer sets how many bytes of datagrams wait to be read at most, with 64 bytes for each datagram. When there are
// more, datagrams that arrive are dropped and counted in Stats as udp-receive-buffer-full. The default is 208 KiB.
func (c *udpSocket) SetReadBuffer(bytes int) error {
	if bytes <= 0 {
		return c.opError("set", nil, syscall.EINVAL)
	}
	return c.set(func() { c.limit = bytes })
}

// SetWriteBuffer does nothing: a datagram goes to the device at once.
func (c *udpSocket) SetWriteBuffer(bytes int) error {
	if bytes <= 0 {
		return c.opError("set", nil, syscall.EINVAL)
	}
	return c.set(func() {})
}

// SetDontFragment sets whether datagrams that do not fit the path MTU are refused with syscall.EMSGSIZE, and DF is set in
// IPv4. By default they are sent in fragments.
func (c *udpSocket) SetDontFragment(on bool) error { return c.set(func() { c.dontFragment = on }) }

// SetTrafficClass sets the DSCP, 0 to 63, of the packets of the socket [RFC 2474].
func (c *udpSocket) SetTrafficClass(dscp int) error {
	if dscp < 0 || dscp > 63 {
		return c.opError("set", nil, syscall.EINVAL)
	}
	return c.set(func() { c.trafficClass = uint8(dscp << 2) })
}

// SetHopLimit sets the TTL or hop limit, 1 to 255, of the packets of the socket.
func (c *udpSocket) SetHopLimit(hops int) error {
	if hops < 1 || hops > 255 {
		return c.opError("set", nil, syscall.EINVAL)
	}
	return c.set(func() { c.hopLimit = uint8(hops) })
}

// receive waits for a datagram and copies it to b.
func (c *udpSocket) receive(call string, b []byte) (d queuedDatagram, n int, truncated bool, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.awaitDatagram(call); err != nil {
		return d, 0, false, err
	}
	d, n, truncated = c.queue.pop(b)
	return d, n, truncated, nil
}

// awaitDatagram returns when the queue has a datagram, or the error of a call that reads. The lock is held.
func (c *udpSocket) awaitDatagram(call string) error {
	for {
		switch {
		case c.closed != nil:
			return c.opError("read", nil, c.closed)
		case c.rd.deadline.passed:
			return c.opError("read", nil, os.ErrDeadlineExceeded)
		case c.pending != nil:
			err := c.pending
			c.pending = nil
			return c.opError("read", nil, os.NewSyscallError(call, err))
		case c.queue.count > 0:
			return nil
		}
		c.rd.wait(&c.mu)
	}
}

// Read reads a datagram. Bytes that p has no room for are lost.
//
// Errors are *net.OpError. On a connected socket errors.Is finds syscall.ECONNREFUSED, EHOSTUNREACH, ENETUNREACH or EMSGSIZE
// after an ICMP message of that meaning about a datagram the socket has sent.
func (c *udpSocket) Read(p []byte) (int, error) {
	_, n, _, err := c.receive("read", p)
	return n, err
}

// ReadFrom reads a datagram and returns its sender, a *net.UDPAddr.
func (c *udpSocket) ReadFrom(p []byte) (int, net.Addr, error) {
	n, addr, err := c.ReadFromUDP(p)
	if addr == nil {
		return n, nil, err
	}
	return n, addr, err
}

// ReadFromUDP is ReadFrom with the type of the address.
func (c *udpSocket) ReadFromUDP(p []byte) (int, *net.UDPAddr, error) {
	d, n, _, err := c.receive("recvfrom", p)
	if err != nil {
		return n, nil, err
	}
	return n, net.UDPAddrFromAddrPort(d.remote), nil
}

// ReadFromUDPAddrPort reads a datagram and returns its sender. It allocates nothing.
func (c *udpSocket) ReadFromUDPAddrPort(p []byte) (int, netip.AddrPort, error) {
	d, n, _, err := c.receive("recvfrom", p)
	return n, d.remote, err
}

// Datagram is a datagram with its circumstances, for [UDPConn.ReadBatch] and [UDPConn.WriteBatch].
type Datagram struct {
	Buffer    []byte         // memory that ReadBatch copies the data to
	N         int            // number of bytes of data in Buffer
	Remote    netip.AddrPort // the peer; unused by WriteBatch on a connected socket
	Local     netip.Addr     // the stack's address; for WriteBatch, the zero Addr stands for the socket's
	ECN       wire.ECN       // the congestion codepoint in the IP header [RFC 3168 5]
	Truncated bool           // set by ReadBatch if Buffer had no room for all data
}

// ReadBatch waits for a datagram, and reads those that have arrived, at most len(batch). It returns their number.
func (c *udpSocket) ReadBatch(batch []Datagram) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(batch) == 0 {
		return 0, nil
	}
	if err := c.awaitDatagram("recvmmsg"); err != nil {
		return 0, err
	}
	n := 0
	for ; n < len(batch) && c.queue.count > 0; n++ {
		m := &batch[n]
		var d queuedDatagram
		d, m.N, m.Truncated = c.queue.pop(m.Buffer)
		m.Remote, m.Local, m.ECN = d.remote, d.local, d.ecn
	}
	return n, nil
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

// WriteToUDP is WriteTo with the type of the address.
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
	return c.send("sendto", p, unmapped(addr))
}

// send sends one datagram.
func (c *udpSocket) send(call string, p []byte, to netip.AddrPort) (int, error) {
	d := Datagram{Buffer: p, N: len(p), Remote: to}
	if err := c.sendDatagram(&d); err != nil {
		if e, ok := err.(syscall.Errno); ok {
			err = os.NewSyscallError(call, e)
		}
		return 0, c.opError("write", net.UDPAddrFromAddrPort(to), err)
	}
	return len(p), nil
}

// WriteBatch sends the datagrams of batch and returns how many it has sent, which are fewer if there is an error.
func (c *udpSocket) WriteBatch(batch []Datagram) (int, error) {
	for i := range batch {
		d := batch[i]
		if d.N < 0 || d.N > len(d.Buffer) {
			return i, c.opError("write", nil, io.ErrShortBuffer)
		}
		if c.remote.IsValid() {
			d.Remote = c.remote
		}
		d.Remote = unmapped(d.Remote)
		if err := c.sendDatagram(&d); err != nil {
			if e, ok := err.(syscall.Errno); ok {
				err = os.NewSyscallError("sendmmsg", e)
			}
			return i, c.opError("write", net.UDPAddrFromAddrPort(d.Remote), err)
		}
	}
	return len(batch), nil
}
