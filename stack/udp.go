package stack

import (
	"context"
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

// UDPConn is a UDP socket. It implements [net.Conn] and [net.PacketConn], and has the methods of *net.UDPConn that make sense
// in user space. SyscallConn is not among them: libraries that find it set options of a kernel's socket.
//
// Its methods may be called from many goroutines at once.
type UDPConn struct {
	stack  *Stack
	binds  []binding
	remote netip.AddrPort // not valid: not connected

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

// defaultUDPBuffer is how many bytes of datagrams wait to be read, as on Linux.
const defaultUDPBuffer = 208 << 10

func newUDPConn(s *Stack, binds []binding, remote netip.AddrPort) *UDPConn {
	c := &UDPConn{stack: s, binds: binds, remote: remote, limit: defaultUDPBuffer, hopLimit: s.cfg.HopLimit}
	c.rd.deadline.mu, c.rd.deadline.stops = &c.mu, &c.rd
	c.wr.deadline.mu = &c.mu
	return c
}

// key returns the two ends of a connected socket.
func (c *UDPConn) key() key {
	return makeKey(c.binds[0].Addr(), c.remote.Addr(), c.binds[0].Port(), c.remote.Port())
}

// ListenPacket returns a socket for datagrams to a local address. Network is "udp", "udp4" or "udp6", address as for
// [Stack.Listen]. The net.PacketConn is a [*UDPConn].
func (s *Stack) ListenPacket(network, address string) (net.PacketConn, error) {
	c, err := s.ListenUDP(network, address)
	if err != nil {
		return nil, err
	}
	return c, nil
}

// ListenUDP is [Stack.ListenPacket] with the type it returns.
//
// Errors are *net.OpError; errors.Is finds syscall.EADDRINUSE, syscall.EADDRNOTAVAIL, and what [Stack.Err] returns.
func (s *Stack) ListenUDP(network, address string) (*UDPConn, error) {
	fail := func(addr net.Addr, err error) (*UDPConn, error) {
		return nil, &net.OpError{Op: "listen", Net: network, Addr: addr, Err: err}
	}
	local, err := parseUDPAddress(network, address)
	if err != nil {
		return fail(nil, err)
	}
	binds, err := s.bindings(tcpNetwork(network), local)
	if err != nil {
		return fail(net.UDPAddrFromAddrPort(local), err)
	}
	c, err := s.bindUDP(binds, netip.AddrPort{})
	if err != nil {
		return fail(net.UDPAddrFromAddrPort(local), err)
	}
	return c, nil
}

// DialUDP returns a socket that is connected to remote: it sends to remote, and receives from remote alone. A local address
// that is not valid or unspecified is chosen by the stack, and so is a local port of 0. Errors are those of [Stack.ListenUDP],
// and syscall.ENETUNREACH.
func (s *Stack) DialUDP(local, remote netip.AddrPort) (*UDPConn, error) {
	return s.dialUDP("udp", unmapped(local), unmapped(remote))
}

func (s *Stack) dialUDP(network string, local, remote netip.AddrPort) (*UDPConn, error) {
	fail := func(err error) (*UDPConn, error) {
		e := &net.OpError{Op: "dial", Net: network, Addr: net.UDPAddrFromAddrPort(remote), Err: err}
		if local.Addr().IsValid() {
			e.Source = net.UDPAddrFromAddrPort(local)
		}
		return nil, e
	}
	from, err := s.source(local, remote)
	if err != nil {
		return fail(os.NewSyscallError("connect", err))
	}
	c, err := s.bindUDP([]binding{from}, remote)
	if err != nil {
		return fail(err)
	}
	return c, nil
}

// dialUDPContext is [Stack.DialContext] for the networks "udp", "udp4" and "udp6".
func (s *Stack) dialUDPContext(ctx context.Context, network, address string) (net.Conn, error) {
	if err := ctx.Err(); err != nil {
		return nil, &net.OpError{Op: "dial", Net: network, Err: contextError(err)}
	}
	remote, err := parseUDPAddress(network, address)
	if err != nil {
		return nil, &net.OpError{Op: "dial", Net: network, Err: err}
	}
	c, err := s.dialUDP(network, netip.AddrPort{}, remote)
	if err != nil {
		return nil, err
	}
	return c, nil
}

// tcpNetwork returns the TCP network of the same families as a UDP network.
func tcpNetwork(network string) string { return "tcp" + network[len("udp"):] }

func isUDP(network string) bool { return network == "udp" || network == "udp4" || network == "udp6" }

func parseUDPAddress(network, address string) (netip.AddrPort, error) {
	if !isUDP(network) {
		return netip.AddrPort{}, net.UnknownNetworkError(network)
	}
	a, err := parseAddress(context.Background(), tcpNetwork(network), address)
	var addrError *net.AddrError
	if errors.As(err, &addrError) {
		err = &net.AddrError{Err: "not an address of network " + network, Addr: addrError.Addr}
	}
	return a, err
}

// bindUDP registers a socket, under a port that is free if binds have port 0.
func (s *Stack) bindUDP(binds []binding, remote netip.AddrPort) (*UDPConn, error) {
	choose := binds[0].Port() == 0
	var offset uint32
	if choose && remote.IsValid() {
		offset = s.ports.offset(binds[0].Addr(), remote)
	}
	for range s.ports.count() {
		if choose {
			port := s.ports.next()
			if remote.IsValid() {
				port = s.ports.candidate(offset)
			}
			for i := range binds {
				binds[i] = netip.AddrPortFrom(binds[i].Addr(), port)
			}
		}
		c := newUDPConn(s, binds, remote)
		if s.udp.add(c) {
			if err := s.refusal(); err != nil { // shut may have looked through the table already
				c.close(err)
				return nil, err
			}
			return c, nil
		}
		if !choose {
			break
		}
	}
	return nil, os.NewSyscallError("bind", syscall.EADDRINUSE)
}

// LocalAddr returns the local address, a *net.UDPAddr.
func (c *UDPConn) LocalAddr() net.Addr {
	return net.UDPAddrFromAddrPort(c.binds[len(c.binds)-1]) // of both families the IPv6 wildcard, as for the kernel's sockets
}

// RemoteAddr returns the address the socket is connected to, a *net.UDPAddr, or nil.
func (c *UDPConn) RemoteAddr() net.Addr {
	if !c.remote.IsValid() {
		return nil
	}
	return net.UDPAddrFromAddrPort(c.remote)
}

// opError wraps the error of a call.
func (c *UDPConn) opError(op string, to net.Addr, err error) error {
	if to == nil {
		to = c.RemoteAddr()
	}
	return &net.OpError{Op: op, Net: "udp", Source: c.LocalAddr(), Addr: to, Err: err}
}

// Close closes the socket. Datagrams that have not been read are discarded.
func (c *UDPConn) Close() error { return c.close(net.ErrClosed) }

// close is Close; calls on the socket fail with cause afterwards.
func (c *UDPConn) close(cause error) error {
	c.stack.udp.remove(c)
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
func (c *UDPConn) SetDeadline(t time.Time) error { return c.setDeadlines(t, &c.rd, &c.wr) }

// SetReadDeadline makes calls that read fail from t on; the zero time means never.
func (c *UDPConn) SetReadDeadline(t time.Time) error { return c.setDeadlines(t, &c.rd) }

// SetWriteDeadline makes calls that write fail from t on; the zero time means never. A write never blocks.
func (c *UDPConn) SetWriteDeadline(t time.Time) error { return c.setDeadlines(t, &c.wr) }

func (c *UDPConn) setDeadlines(t time.Time, directions ...*waits) error {
	return c.set(func() {
		for _, d := range directions {
			d.deadline.set(t)
		}
	})
}

// set calls change with the lock held, unless the socket is closed.
func (c *UDPConn) set(change func()) error {
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
func (c *UDPConn) SetReadBuffer(bytes int) error {
	if bytes <= 0 {
		return c.opError("set", nil, syscall.EINVAL)
	}
	return c.set(func() { c.limit = bytes })
}

// SetWriteBuffer does nothing: a datagram goes to the device at once.
func (c *UDPConn) SetWriteBuffer(bytes int) error {
	if bytes <= 0 {
		return c.opError("set", nil, syscall.EINVAL)
	}
	return c.set(func() {})
}

// SetDontFragment sets whether datagrams that do not fit the path MTU are refused with syscall.EMSGSIZE, and DF is set in
// IPv4. By default they are sent in fragments.
func (c *UDPConn) SetDontFragment(on bool) error { return c.set(func() { c.dontFragment = on }) }

// SetTrafficClass sets the DSCP, 0 to 63, of the packets of the socket [RFC 2474].
func (c *UDPConn) SetTrafficClass(dscp int) error {
	if dscp < 0 || dscp > 63 {
		return c.opError("set", nil, syscall.EINVAL)
	}
	return c.set(func() { c.trafficClass = uint8(dscp << 2) })
}

// SetHopLimit sets the TTL or hop limit, 1 to 255, of the packets of the socket.
func (c *UDPConn) SetHopLimit(hops int) error {
	if hops < 1 || hops > 255 {
		return c.opError("set", nil, syscall.EINVAL)
	}
	return c.set(func() { c.hopLimit = uint8(hops) })
}

// receive waits for a datagram and copies it to b.
func (c *UDPConn) receive(call string, b []byte) (d queuedDatagram, n int, truncated bool, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.awaitDatagram(call); err != nil {
		return d, 0, false, err
	}
	d, n, truncated = c.queue.pop(b)
	return d, n, truncated, nil
}

// awaitDatagram returns when the queue has a datagram, or the error of a call that reads. The lock is held.
func (c *UDPConn) awaitDatagram(call string) error {
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
func (c *UDPConn) Read(p []byte) (int, error) {
	_, n, _, err := c.receive("read", p)
	return n, err
}

// ReadFrom reads a datagram and returns its sender, a *net.UDPAddr.
func (c *UDPConn) ReadFrom(p []byte) (int, net.Addr, error) {
	n, addr, err := c.ReadFromUDP(p)
	if addr == nil {
		return n, nil, err
	}
	return n, addr, err
}

// ReadFromUDP is ReadFrom with the type of the address.
func (c *UDPConn) ReadFromUDP(p []byte) (int, *net.UDPAddr, error) {
	d, n, _, err := c.receive("recvfrom", p)
	if err != nil {
		return n, nil, err
	}
	return n, net.UDPAddrFromAddrPort(d.remote), nil
}

// ReadFromUDPAddrPort reads a datagram and returns its sender. It allocates nothing.
func (c *UDPConn) ReadFromUDPAddrPort(p []byte) (int, netip.AddrPort, error) {
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
func (c *UDPConn) ReadBatch(batch []Datagram) (int, error) {
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

// Write sends p as one datagram on a connected socket. It does not block.
//
// Errors are *net.OpError; errors.Is finds those of [UDPConn.Read], and syscall.EMSGSIZE for more than 65,507 bytes over IPv4
// or 65,527 over IPv6.
func (c *UDPConn) Write(p []byte) (int, error) {
	if !c.remote.IsValid() {
		return 0, c.opError("write", nil, os.NewSyscallError("write", syscall.EDESTADDRREQ))
	}
	return c.send("write", p, c.remote)
}

// WriteTo sends p as one datagram to addr, which must be a *net.UDPAddr. On a connected socket the error is
// [net.ErrWriteToConnected].
func (c *UDPConn) WriteTo(p []byte, addr net.Addr) (int, error) {
	a, ok := addr.(*net.UDPAddr)
	if !ok {
		return 0, c.opError("write", addr, syscall.EINVAL)
	}
	return c.WriteToUDP(p, a)
}

// WriteToUDP is WriteTo with the type of the address.
func (c *UDPConn) WriteToUDP(p []byte, addr *net.UDPAddr) (int, error) {
	if addr == nil {
		return 0, c.opError("write", nil, errMissingAddress)
	}
	return c.WriteToUDPAddrPort(p, addr.AddrPort())
}

var errMissingAddress = errors.New("missing address")

// WriteToUDPAddrPort sends p as one datagram to addr. It allocates nothing.
func (c *UDPConn) WriteToUDPAddrPort(p []byte, addr netip.AddrPort) (int, error) {
	if c.remote.IsValid() {
		return 0, c.opError("write", net.UDPAddrFromAddrPort(addr), net.ErrWriteToConnected)
	}
	return c.send("sendto", p, unmapped(addr))
}

// send sends one datagram.
func (c *UDPConn) send(call string, p []byte, to netip.AddrPort) (int, error) {
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
func (c *UDPConn) WriteBatch(batch []Datagram) (int, error) {
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
