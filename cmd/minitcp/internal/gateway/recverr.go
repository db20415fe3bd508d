//go:build linux

package gateway

import (
	"encoding/binary"
	"errors"
	"net"
	"net/netip"
	"strings"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"minitcp/conn/wire"
	"minitcp/stack"
	"minitcp/stack/relay"
)

// past is a deadline that has passed.
var past = time.Unix(1, 0)

// reportErrors makes the kernel queue the ICMP errors about the datagrams of an unconnected socket. The socket of
// network "udp6" takes IPv6 alone.
func reportErrors(network string, c syscall.RawConn) error {
	level, option := unix.IPPROTO_IP, unix.IP_RECVERR
	if strings.HasSuffix(network, "6") {
		level, option = unix.IPPROTO_IPV6, unix.IPV6_RECVERR
	}
	var failed error
	err := c.Control(func(fd uintptr) { failed = unix.SetsockoptInt(int(fd), level, option, 1) })
	return errors.Join(err, failed)
}

// directSocket is a UDP socket of the host's, or an unprivileged ICMP socket.
type directSocket struct {
	c    *net.UDPConn
	udp  *relay.UDPSocket
	hops int // hop limit of the datagrams sent; -1 for the host's default
}

func newDirectSocket(c *net.UDPConn) *directSocket {
	return &directSocket{c, relay.NewUDPSocket(c), -1}
}

func (s *directSocket) close() { s.c.Close() }

// send implements [datagramSocket].
func (s *directSocket) send(batch []stack.Datagram) (int, error) { return s.udp.WriteBatch(batch) }

// limitHops gives the next datagrams the hops that the client's had left, if these are as few as those of traceroute.
// Others have the default of the host.
func (s *directSocket) limitHops(arrived uint8) {
	hops := -1 // the default
	if arrived <= maxTraced {
		hops = int(arrived) - 1
	}
	if hops == s.hops {
		return
	}
	level, option := unix.IPPROTO_IPV6, unix.IPV6_UNICAST_HOPS
	if s.c.LocalAddr().(*net.UDPAddr).IP.To4() != nil {
		level, option = unix.IPPROTO_IP, unix.IP_TTL
	}
	raw, err := s.c.SyscallConn()
	if err == nil {
		raw.Control(func(fd uintptr) { err = unix.SetsockoptInt(int(fd), level, option, hops) })
	}
	if err == nil {
		s.hops = hops
	}
}

// maxTraced is the largest hop limit that is passed on. Traceroute uses up to 30, and no system 32 or less for others.
const maxTraced = 32

// receive implements [datagramSocket].
func (s *directSocket) receive(arrived func([]stack.Datagram), failed func(socketError)) {
	for {
		err := s.udp.Receive(arrived)
		if err == nil {
			continue
		}
		if !s.readErrors(failed) && !isICMP(err) {
			return
		}
	}
}

// isICMP reports whether a call on a socket has failed because of an ICMP message.
func isICMP(err error) bool {
	for _, e := range []error{unix.ECONNREFUSED, unix.EHOSTUNREACH, unix.ENETUNREACH, unix.EACCES, unix.EPROTO, unix.EMSGSIZE, unix.ENOPROTOOPT, unix.EOPNOTSUPP, unix.EHOSTDOWN, unix.ENONET} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}

// socketError is an ICMP error about a datagram that the socket has sent.
type socketError struct {
	to      netip.AddrPort
	verdict verdict
	router  netip.Addr // at which the hop limit has ended; invalid for other errors
	quoted  []byte     // the start of the datagram
}

// readErrors takes the errors that are queued, and reports whether there was one.
func (s *directSocket) readErrors(failed func(socketError)) (any bool) {
	raw, err := s.c.SyscallConn()
	if err != nil {
		return false
	}
	for {
		var control [512]byte
		var quoted [icmpHeader]byte
		var n, controlLen int
		var from unix.Sockaddr
		if failed := raw.Control(func(fd uintptr) {
			n, controlLen, _, from, err = unix.Recvmsg(int(fd), quoted[:], control[:], unix.MSG_ERRQUEUE|unix.MSG_DONTWAIT)
		}); failed != nil || err != nil {
			return any
		}
		any = true
		if v, router, ok := errorVerdict(control[:controlLen]); ok {
			failed(socketError{sockaddr(from), v, router, quoted[:n]})
		}
	}
}

// errorVerdict returns the verdict for the extended error in control messages, and the router at which the hop limit
// has ended, if that is the error.
func errorVerdict(control []byte) (v verdict, router netip.Addr, ok bool) {
	messages, err := unix.ParseSocketControlMessage(control)
	if err != nil {
		return 0, router, false
	}
	for _, m := range messages {
		is4 := m.Header.Level == unix.IPPROTO_IP && m.Header.Type == unix.IP_RECVERR
		is6 := m.Header.Level == unix.IPPROTO_IPV6 && m.Header.Type == unix.IPV6_RECVERR
		if !is4 && !is6 || len(m.Data) < int(unsafe.Sizeof(unix.SockExtendedErr{})) {
			continue
		}
		e := (*unix.SockExtendedErr)(unsafe.Pointer(unsafe.SliceData(m.Data)))
		const v4Unreachable, v4NetProhibited, v4HostProhibited, v4AdminProhibited = 3, 9, 10, 13
		if e.Origin == unix.SO_EE_ORIGIN_ICMP && e.Type == v4Unreachable {
			switch e.Code {
			case v4NetProhibited, v4HostProhibited, v4AdminProhibited:
				return prohibited, router, true
			}
		}
		if e.Errno == uint32(unix.EMSGSIZE) { // the kernel sends later datagrams in fragments
			return 0, router, false
		}
		if e.Code == 0 && (e.Origin == unix.SO_EE_ORIGIN_ICMP && e.Type == wire.ICMPv4TimeExceeded ||
			e.Origin == unix.SO_EE_ORIGIN_ICMP6 && e.Type == wire.ICMPv6TimeExceeded) {
			router = offender(m.Data[unsafe.Sizeof(*e):])
		}
		return verdictOf(syscall.Errno(e.Errno)), router, true
	}
	return 0, router, false
}

// offender returns the address in the sockaddr that follows an extended error.
func offender(b []byte) netip.Addr {
	const addr4, addr6 = 4, 8 // offsets in sockaddr_in and sockaddr_in6
	switch {
	case len(b) >= addr4+4 && binary.NativeEndian.Uint16(b) == unix.AF_INET:
		return netip.AddrFrom4([4]byte(b[addr4:]))
	case len(b) >= addr6+16 && binary.NativeEndian.Uint16(b) == unix.AF_INET6:
		return netip.AddrFrom16([16]byte(b[addr6:])).Unmap()
	}
	return netip.Addr{}
}

// sockaddr returns an address of package unix as a netip.AddrPort.
func sockaddr(a unix.Sockaddr) netip.AddrPort {
	switch a := a.(type) {
	case *unix.SockaddrInet4:
		return netip.AddrPortFrom(netip.AddrFrom4(a.Addr), uint16(a.Port))
	case *unix.SockaddrInet6:
		return netip.AddrPortFrom(netip.AddrFrom16(a.Addr), uint16(a.Port))
	}
	return netip.AddrPort{}
}
