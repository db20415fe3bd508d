package stack

import (
	"net"
	"net/netip"
	"os"
	"sync"
	"syscall"
	"time"

	"minitcp/conn"
	"minitcp/conn/buffer"
	"minitcp/stack/internal/datagrams"
	"minitcp/stack/internal/wait"
)

// datagramSocket is the common part of UDP and ping sockets: a queue of datagrams that have arrived, and
// the settings of those that are sent.
type datagramSocket struct {
	stack   *Stack
	network string // "udp" or "ping"
	owner   datagramOwner
	addr    netip.AddrPort // LocalAddr's
	remote  netip.AddrPort // of a connected socket; else not valid

	mu           sync.Mutex
	rd, wr       wait.Direction
	queue        datagrams.Queue
	limit        int       // of queue.Bytes()
	charged      int       // memory of queue that the stack's budget counts, in bytes
	pending      error     // an ICMP error that the next call returns
	closed       error     // the error of all calls; nil: the socket is open
	pathMTU      int       // of a connected socket in bytes
	pathMTUUntil conn.Time // when pathMTU ends; the zero value: there is none
	dontFragment bool
	hopLimit     uint8
	trafficClass uint8
}

// datagramOwner is the socket that a datagramSocket is part of.
type datagramOwner interface {
	// route returns the ends of a datagram to send, of which the application has given local, which may be the zero Addr,
	// and remote.
	route(local netip.Addr, remote netip.AddrPort) (from, to netip.AddrPort, err error)
	// forget takes the socket out of where arriving datagrams find it.
	forget()
}

// defaultDatagramBuffer is the size of the queue in bytes, as on Linux.
const defaultDatagramBuffer = 208 << 10

func (c *datagramSocket) init(s *Stack, network string, owner datagramOwner) {
	c.stack, c.network, c.owner, c.limit, c.hopLimit = s, network, owner, defaultDatagramBuffer, s.cfg.HopLimit
}

// LocalAddr returns the local address: a *net.UDPAddr, or of a ping socket a *net.IPAddr.
func (c *datagramSocket) LocalAddr() net.Addr { return c.netAddr(c.addr) }

// netAddr returns a as package net has addresses of the socket's network.
func (c *datagramSocket) netAddr(a netip.AddrPort) net.Addr {
	if c.network == "ping" {
		return &net.IPAddr{IP: a.Addr().AsSlice()}
	}
	return net.UDPAddrFromAddrPort(a)
}

// opError wraps the error of a call.
func (c *datagramSocket) opError(op string, to net.Addr, err error) error {
	if to == nil && c.remote.IsValid() {
		to = c.netAddr(c.remote)
	}
	return &net.OpError{Op: op, Net: c.network, Source: c.LocalAddr(), Addr: to, Err: err}
}

// Close closes the socket. Datagrams that have not been read are discarded.
func (c *datagramSocket) Close() error { return c.close(net.ErrClosed) }

// close is Close; calls on the socket fail with cause afterwards.
func (c *datagramSocket) close(cause error) error {
	c.owner.forget()
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed != nil {
		return c.opError("close", nil, c.closed)
	}
	c.closed = cause
	c.queue.Clear()
	c.queue = datagrams.Queue{}
	c.charge()
	c.rd.Stop()
	c.wr.Stop()
	return nil
}

// SetDeadline makes calls that read and write fail from t on; the zero time means never.
func (c *datagramSocket) SetDeadline(t time.Time) error { return c.setDeadlines(t, &c.rd, &c.wr) }

// SetReadDeadline makes calls that read fail from t on; the zero time means never.
func (c *datagramSocket) SetReadDeadline(t time.Time) error { return c.setDeadlines(t, &c.rd) }

// SetWriteDeadline makes calls that write fail from t on; the zero time means never. Only writes of a [UDPConn]
// block, while a [Pusher] is full.
func (c *datagramSocket) SetWriteDeadline(t time.Time) error { return c.setDeadlines(t, &c.wr) }

func (c *datagramSocket) setDeadlines(t time.Time, directions ...*wait.Direction) error {
	return c.set(func() {
		for _, d := range directions {
			d.SetDeadline(&c.mu, t)
		}
	})
}

// set calls change with the lock held, unless the socket is closed.
func (c *datagramSocket) set(change func()) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed != nil {
		return c.opError("set", nil, c.closed)
	}
	change()
	return nil
}

// SetReadBuffer sets how many bytes of datagrams wait to be read at most, with 64 bytes for each datagram. When there
// are more, datagrams that arrive are dropped and counted in Stats as udp-receive-buffer-full, for ping sockets as
// ping-receive-buffer-full. The default is 208 KiB.
func (c *datagramSocket) SetReadBuffer(bytes int) error {
	if bytes <= 0 {
		return c.opError("set", nil, syscall.EINVAL)
	}
	return c.set(func() { c.limit = bytes })
}

// SetWriteBuffer does nothing: no datagram waits in the socket to be sent.
func (c *datagramSocket) SetWriteBuffer(bytes int) error {
	if bytes <= 0 {
		return c.opError("set", nil, syscall.EINVAL)
	}
	return c.set(func() {})
}

// SetDontFragment sets whether datagrams that do not fit the path MTU are refused with syscall.EMSGSIZE, and DF is set
// in IPv4. By default they are sent in fragments. A connected socket uses the path MTU of an ICMP message for 10
// minutes.
func (c *datagramSocket) SetDontFragment(on bool) error { return c.set(func() { c.dontFragment = on }) }

// SetTrafficClass sets the DSCP, 0 to 63, of the packets of the socket [RFC 2474].
func (c *datagramSocket) SetTrafficClass(dscp int) error {
	if dscp < 0 || dscp > 63 {
		return c.opError("set", nil, syscall.EINVAL)
	}
	return c.set(func() { c.trafficClass = uint8(dscp << 2) })
}

// SetHopLimit sets the TTL or hop limit, 1 to 255, of the packets of the socket.
func (c *datagramSocket) SetHopLimit(hops int) error {
	if hops < 1 || hops > 255 {
		return c.opError("set", nil, syscall.EINVAL)
	}
	return c.set(func() { c.hopLimit = uint8(hops) })
}

// receive waits for a datagram and copies it to b.
func (c *datagramSocket) receive(call string, b []byte) (d datagrams.Datagram, n int, truncated bool, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.awaitDatagram(call); err != nil {
		return d, 0, false, err
	}
	d, n, truncated = c.queue.Pop(b)
	c.charge()
	return d, n, truncated, nil
}

// awaitDatagram returns when the queue has a datagram, or the error of a call that reads. The lock is held.
func (c *datagramSocket) awaitDatagram(call string) error {
	for {
		switch {
		case c.closed != nil:
			return c.opError("read", nil, c.closed)
		case c.rd.Passed():
			return c.opError("read", nil, os.ErrDeadlineExceeded)
		case c.pending != nil:
			err := c.pending
			c.pending = nil
			return c.opError("read", nil, os.NewSyscallError(call, err))
		case c.queue.Len() > 0:
			return nil
		}
		c.rd.Wait(&c.mu)
	}
}

// Read reads a datagram. Bytes that p has no room for are lost.
//
// Errors are *net.OpError. On a connected socket errors.Is finds syscall.ECONNREFUSED, EHOSTUNREACH, ENETUNREACH or
// EMSGSIZE after an ICMP message of that meaning about a datagram the socket has sent.
func (c *datagramSocket) Read(p []byte) (int, error) {
	_, n, _, err := c.receive("read", p)
	return n, err
}

// leastDatagrams is the number of bytes of datagrams that a socket may hold however little memory is left.
const leastDatagrams = 4 << 10

// room returns the number of bytes that fit into the queue. Datagrams that are not read take the memory of the budget
// that is for peers that stall.
func (c *datagramSocket) room() int {
	limit := c.limit
	if share := c.stack.cfg.Conn.Pressure.BufferShare(buffer.Stalled); limit > share {
		limit = min(limit, max(share, leastDatagrams))
	}
	return limit - c.queue.Bytes()
}

// charge counts the memory of the queue in the stack's budget. The lock is held.
func (c *datagramSocket) charge() {
	if n := c.queue.Memory(); n != c.charged {
		c.stack.cfg.Conn.Pool.Charge(n - c.charged)
		c.charged = n
	}
}
