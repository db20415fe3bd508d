package stack

import (
	"net"
	"net/netip"
	"os"
	"sync"
	"syscall"
	"time"

	"minitcp/conn"
	"minitcp/stack/internal/datagrams"
	"minitcp/stack/internal/neterr"
	"minitcp/stack/internal/paths"
	"minitcp/stack/internal/wait"
)

// datagramSocket is the common part of UDP and ping sockets: the datagrams that have arrived, and the settings of those
// that are sent.
type datagramSocket struct {
	stack   *Stack
	network string // "udp" or "ping"
	owner   datagramOwner
	addr    netip.AddrPort // LocalAddr's
	remote  netip.AddrPort // of a connected socket; else not valid

	mu           sync.Mutex
	in           datagrams.Inbox
	wr           wait.Direction
	path         paths.Reported // of a connected socket
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
	c.stack, c.network, c.owner, c.hopLimit = s, network, owner, s.cfg.HopLimit
	c.in.Init(s.cfg.Conn.Pool, s.cfg.Conn.Pressure, defaultDatagramBuffer)
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

// writeError returns err as that of a call that writes to a peer with the system call named.
func (c *datagramSocket) writeError(call string, to netip.AddrPort, err error) error {
	if e, ok := err.(syscall.Errno); ok {
		err = os.NewSyscallError(call, e)
	}
	return c.opError("write", c.netAddr(to), err)
}

// Close closes the socket. Datagrams that have not been read are discarded.
func (c *datagramSocket) Close() error { return c.close(net.ErrClosed) }

// close implements Close. Calls on the socket fail with cause afterwards.
func (c *datagramSocket) close(cause error) error {
	c.owner.forget()
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.in.Closed != nil {
		return c.opError("close", nil, c.in.Closed)
	}
	c.in.Close(cause)
	c.wr.Stop()
	return nil
}

// SetDeadline makes calls that read and write fail from t on; the zero time means never.
func (c *datagramSocket) SetDeadline(t time.Time) error {
	return c.setDeadlines(t, &c.in.Readers, &c.wr)
}

// SetReadDeadline makes calls that read fail from t on; the zero time means never.
func (c *datagramSocket) SetReadDeadline(t time.Time) error { return c.setDeadlines(t, &c.in.Readers) }

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
	if c.in.Closed != nil {
		return c.opError("set", nil, c.in.Closed)
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
	return c.set(func() { c.in.Limit = bytes })
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

// SetTrafficClass sets the DSCP, 0 to 63, of the packets of the socket. Otherwise the error is syscall.EINVAL [RFC
// 2474].
func (c *datagramSocket) SetTrafficClass(dscp int) error {
	if dscp < 0 || dscp > 63 {
		return c.opError("set", nil, syscall.EINVAL)
	}
	return c.set(func() { c.trafficClass = uint8(dscp << 2) })
}

// SetHopLimit sets the TTL or hop limit, 1 to 255, of the packets of the socket. Otherwise the error is syscall.EINVAL.
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
	if err := c.await(call); err != nil {
		return d, 0, false, err
	}
	d, n, truncated = c.in.Pop(b)
	return d, n, truncated, nil
}

// await returns when there is a datagram to read, or with the error of a call that reads. The lock is held.
func (c *datagramSocket) await(call string) error {
	if err := c.in.Await(&c.mu, call); err != nil {
		return c.opError("read", nil, err)
	}
	return nil
}

// Read reads a datagram. Bytes that p has no room for are lost.
//
// Errors are *net.OpError. On a connected socket errors.Is finds syscall.ECONNREFUSED, EHOSTUNREACH, ENETUNREACH or
// EMSGSIZE after an ICMP message of that meaning about a datagram the socket has sent.
func (c *datagramSocket) Read(p []byte) (int, error) {
	_, n, _, err := c.receive("read", p)
	return n, err
}

// mtu returns the largest packet, in bytes, that c sends whole. The lock is held.
func (c *datagramSocket) mtu() int { return c.path.Limit(c.stack.clock.Now(), int(c.stack.mtu.Load())) }

// fail takes an ICMP error about a datagram of the connected socket c.
func (c *datagramSocket) fail(e conn.ICMPError) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if e.Kind == conn.ICMPTooBig {
		smaller := c.path.TooBig(c.stack.clock.Now(), int(c.stack.mtu.Load()), e.MTU, c.remote.Addr().Is4())
		if smaller && c.dontFragment {
			c.in.Fail(syscall.EMSGSIZE)
		}
		return
	}
	err := neterr.Errno(e.Err)
	if err == syscall.ENOPROTOOPT {
		err = syscall.ECONNREFUSED
	}
	c.in.Fail(err)
}
