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

// directSocket is an unconnected UDP socket of the host's, or an unprivileged ICMP socket.
type directSocket struct {
	c   *net.UDPConn
	raw syscall.RawConn
}

func newDirectSocket(c *net.UDPConn) *directSocket {
	raw, err := c.SyscallConn()
	if err != nil { // c is closed: none of its calls succeeds
		raw = nil
	}
	return &directSocket{c, raw}
}

func (s *directSocket) close() { s.c.Close() }

// send sends a datagram. An error that is pending because of an earlier datagram fails the first attempt only.
func (s *directSocket) send(data []byte, to netip.AddrPort) error {
	_, err := s.c.WriteToUDPAddrPort(data, to)
	if err != nil && !errors.Is(err, net.ErrClosed) {
		_, err = s.c.WriteToUDPAddrPort(data, to)
	}
	return err
}

// receive implements [datagramSocket].
func (s *directSocket) receive(arrived func([]byte, netip.AddrPort), failed func(netip.AddrPort, verdict)) {
	s.receiveAll(arrived, func(e socketError) { failed(e.to, e.verdict) })
}

func (s *directSocket) receiveAll(arrived func([]byte, netip.AddrPort), failed func(socketError)) {
	if s.raw == nil {
		return
	}
	var b *[maxDatagram + socksHeader]byte
	var n int
	var from netip.AddrPort
	var errno syscall.Errno
	try := func(fd uintptr) bool {
		b = datagrams.Get().(*[maxDatagram + socksHeader]byte)
		n, from, errno = receiveFrom(int(fd), b[:maxDatagram])
		if errno == unix.EAGAIN || errno == unix.EINTR {
			datagrams.Put(b)
			b = nil
			return errno == unix.EINTR
		}
		return true
	}
	for s.raw.Read(try) == nil {
		switch {
		case errno == unix.EINTR:
		case errno != 0:
			s.readErrors(b[:], failed)
		default:
			arrived(b[:n], from)
		}
		if b != nil {
			datagrams.Put(b)
		}
	}
}

// receiveFrom is recvfrom(2) without an allocation for the address, and without waiting.
func receiveFrom(fd int, b []byte) (n int, from netip.AddrPort, errno syscall.Errno) {
	var address unix.RawSockaddrInet6
	length := uint32(unsafe.Sizeof(address))
	r, _, errno := unix.Syscall6(unix.SYS_RECVFROM, uintptr(fd), uintptr(unsafe.Pointer(unsafe.SliceData(b))), uintptr(len(b)),
		unix.MSG_DONTWAIT, uintptr(unsafe.Pointer(&address)), uintptr(unsafe.Pointer(&length)))
	if errno != 0 {
		return 0, from, errno
	}
	port := binary.BigEndian.Uint16((*[2]byte)(unsafe.Pointer(&address.Port))[:])
	if address.Family == unix.AF_INET {
		a := (*unix.RawSockaddrInet4)(unsafe.Pointer(&address))
		return int(r), netip.AddrPortFrom(netip.AddrFrom4(a.Addr), port), 0
	}
	return int(r), netip.AddrPortFrom(netip.AddrFrom16(address.Addr), port), 0
}

// socketError is an ICMP error about a datagram that the socket has sent.
type socketError struct {
	to      netip.AddrPort
	verdict verdict
	quoted  []byte // the start of the datagram
}

// readErrors takes the errors that are queued. It uses b.
func (s *directSocket) readErrors(b []byte, failed func(socketError)) {
	for more := true; more; {
		more = false
		s.raw.Control(func(fd uintptr) {
			var control [512]byte
			n, controlLen, _, from, err := unix.Recvmsg(int(fd), b, control[:], unix.MSG_ERRQUEUE|unix.MSG_DONTWAIT)
			if err != nil {
				return
			}
			more = true
			if v, ok := errorVerdict(control[:controlLen]); ok {
				failed(socketError{sockaddr(from), v, b[:n]})
			}
		})
	}
}

// errorVerdict returns the verdict for the extended error in control messages.
func errorVerdict(control []byte) (verdict, bool) {
	messages, err := unix.ParseSocketControlMessage(control)
	if err != nil {
		return 0, false
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
				return prohibited, true
			}
		}
		if e.Errno == uint32(unix.EMSGSIZE) { // the kernel sends later datagrams in fragments
			return 0, false
		}
		return verdictOf(syscall.Errno(e.Errno)), true
	}
	return 0, false
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
