package stack

import (
	"net/netip"
	"syscall"
	"time"

	"minitcp/conn"
	"minitcp/stack/internal/counters"
	"minitcp/stack/internal/neterr"
)

// icmpErrorUDP gives an ICMP error about a datagram from local to remote to the socket that is connected so.
func (s *Stack) icmpErrorUDP(local, remote netip.AddrPort, e conn.ICMPError) {
	c := s.udp.FindConnected(local, remote)
	if c == nil {
		s.totals.Count(counters.DropICMP)
		return
	}
	c.fail(e)
}

// fail takes an ICMP error about a datagram of the connected socket c.
func (c *datagramSocket) fail(e conn.ICMPError) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if e.Kind != conn.ICMPTooBig {
		c.pending = neterr.Errno(e.Err)
		if c.pending == syscall.ENOPROTOOPT {
			c.pending = syscall.ECONNREFUSED
		}
		c.rd.Wake()
		return
	}
	c.packetTooBig(c.stack.clock.Now(), max(e.MTU, leastMTU(c.remote.Addr().Is4())))
}

// pathMTULifetime is the time after which a socket tries larger packets again, as on Linux. The RFCs recommend it, and
// forbid less than 5 minutes after the last Packet Too Big [RFC 1191 6.3, RFC 8201 4].
const pathMTULifetime = 10 * time.Minute

// packetTooBig takes a path MTU in bytes from an ICMP message. The lock is held.
func (c *datagramSocket) packetTooBig(now conn.Time, mtu int) {
	before := c.mtu(now)
	if mtu > before {
		return
	}
	c.pathMTU, c.pathMTUUntil = mtu, now.Add(pathMTULifetime)
	if mtu < before && c.dontFragment {
		c.pending = syscall.EMSGSIZE
		c.rd.Wake()
	}
}

// leastMTU returns the smallest path MTU that an ICMP message can set, in bytes: Linux's for IPv4, and for IPv6 what
// every link must take [RFC 8200 5].
func leastMTU(is4 bool) int {
	if is4 {
		return 552
	}
	return 1280
}

// mtu returns the largest packet, in bytes, that c sends whole. The lock is held.
func (c *datagramSocket) mtu(now conn.Time) int {
	mtu := int(c.stack.mtu.Load())
	if now < c.pathMTUUntil {
		mtu = min(mtu, c.pathMTU)
	}
	return mtu
}
