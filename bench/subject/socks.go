//go:build linux

package subject

import (
	"encoding/binary"
	"io"
	"net"
	"net/netip"
	"sync/atomic"
)

// serveSOCKS serves SOCKS5 without authentication, for IPv4 [RFC 1928].
func serveSOCKS(l net.Listener) {
	for {
		c, err := l.Accept()
		if err != nil {
			return
		}
		go func() {
			defer c.Close()
			serveSOCKSClient(c.(*net.TCPConn))
		}()
	}
}

func serveSOCKSClient(c *net.TCPConn) {
	var b [257]byte
	if _, err := io.ReadFull(c, b[:2]); err != nil {
		return
	}
	if _, err := io.ReadFull(c, b[:b[1]]); err != nil {
		return
	}
	c.Write([]byte{5, 0})
	const request = 4 + 4 + 2
	if _, err := io.ReadFull(c, b[:request]); err != nil || b[3] != 1 {
		return
	}
	to := netip.AddrPortFrom(netip.AddrFrom4([4]byte(b[4:8])), binary.BigEndian.Uint16(b[8:]))
	const connect, associate = 1, 3
	switch b[1] {
	case connect:
		server, err := net.DialTCP("tcp4", nil, net.TCPAddrFromAddrPort(to))
		if err != nil {
			c.Write([]byte{5, 5, 0, 1, 0, 0, 0, 0, 0, 0})
			return
		}
		c.Write([]byte{5, 0, 0, 1, 0, 0, 0, 0, 0, 0})
		joinTCP(c, server)
	case associate:
		relaySOCKSDatagrams(c)
	}
}

// joinTCP copies between two connections with splice(2).
func joinTCP(a, b *net.TCPConn) {
	defer a.Close()
	defer b.Close()
	done := make(chan struct{})
	pass := func(to, from *net.TCPConn) {
		if _, err := io.Copy(to, from); err != nil {
			for _, c := range []*net.TCPConn{a, b} {
				c.SetLinger(0)
				c.Close()
			}
			return
		}
		to.CloseWrite()
	}
	go func() { pass(a, b); close(done) }()
	pass(b, a)
	<-done
}

// relaySOCKSDatagrams serves an association until c ends.
func relaySOCKSDatagrams(c *net.TCPConn) {
	inner, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		return
	}
	defer inner.Close()
	outer, err := net.ListenUDP("udp4", nil)
	if err != nil {
		return
	}
	defer outer.Close()
	reply := []byte{5, 0, 0, 1, 127, 0, 0, 1}
	c.Write(binary.BigEndian.AppendUint16(reply, uint16(inner.LocalAddr().(*net.UDPAddr).Port)))
	const header = 10
	var client atomic.Pointer[netip.AddrPort]
	go func() {
		for b := make([]byte, 65535); ; {
			n, from, err := inner.ReadFromUDPAddrPort(b)
			if err != nil {
				return
			}
			if client.Load() == nil {
				client.Store(&from)
			}
			if n >= header && b[3] == 1 {
				to := netip.AddrPortFrom(netip.AddrFrom4([4]byte(b[4:8])), binary.BigEndian.Uint16(b[8:]))
				outer.WriteToUDPAddrPort(b[header:n], to)
			}
		}
	}()
	go func() {
		for b := make([]byte, 65535); ; {
			n, from, err := outer.ReadFromUDPAddrPort(b[header:])
			if err != nil {
				return
			}
			copy(b, []byte{0, 0, 0, 1})
			copy(b[4:], from.Addr().Unmap().AsSlice())
			binary.BigEndian.PutUint16(b[8:], from.Port())
			inner.WriteToUDPAddrPort(b[:header+n], *client.Load())
		}
	}()
	io.Copy(io.Discard, c)
}
