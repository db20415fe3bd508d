package relay

import (
	"encoding/binary"
	"net"
	"net/netip"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"unsafe"

	"minitcp/stack"
	"minitcp/stack/internal/datagrams"
)

// Constants of Linux that package syscall does not have (include/uapi/linux/udp.h).
const (
	udpSegment = 103 // UDP_SEGMENT
	udpGRO     = 104 // UDP_GRO
)

// offload is the Linux part of a UDPSocket.
type offload struct {
	raw      syscall.RawConn // nil: the socket is closed
	segments atomic.Bool     // the kernel cuts joined datagrams
	try      func(fd uintptr) bool

	// The call of Receive in progress.
	received *received
	count    int // of messages
	errno    syscall.Errno
}

// setOffload turns on the offloads that the kernel has: UDP_SEGMENT since Linux 4.18, UDP_GRO since 5.0.
func (s *UDPSocket) setOffload() {
	raw, err := s.conn.SyscallConn()
	if err != nil {
		return
	}
	s.raw, s.try = raw, s.tryReceive
	raw.Control(func(fd uintptr) {
		_, err := syscall.GetsockoptInt(int(fd), syscall.IPPROTO_UDP, udpSegment)
		s.segments.Store(err == nil)
		syscall.SetsockoptInt(int(fd), syscall.IPPROTO_UDP, udpGRO, 1)
	})
}

// joined is memory for datagrams that leave together.
type joined struct {
	control [(syscall.SizeofCmsghdr + 8) / 8]uint64 // a control message with 2 bytes
	data    [maxJoined]byte
}

// maxJoined is the largest number of bytes in datagrams that leave together.
const maxJoined = 65535 - 40 - 8

var joinedPool = sync.Pool{New: func() any { return new(joined) }}

// writeJoined sends the first datagrams of batch with one system call if they are alike: of one size, the last of which
// may be shorter, and to one destination. It returns their number, or 0 if none has been sent, for whatever reason:
// their path may carry smaller packets only, or an ICMP message about an earlier one may have come.
func (s *UDPSocket) writeJoined(batch []stack.Datagram) int {
	n := s.alike(batch)
	if n < 2 {
		return 0
	}
	j := joinedPool.Get().(*joined)
	defer joinedPool.Put(j)
	bytes := 0
	for i := range batch[:n] {
		bytes += copy(j.data[bytes:], batch[i].Buffer[:batch[i].N])
	}
	control := unsafe.Slice((*byte)(unsafe.Pointer(&j.control)), syscall.CmsgSpace(2))
	h := (*syscall.Cmsghdr)(unsafe.Pointer(&j.control))
	h.Level, h.Type = syscall.IPPROTO_UDP, udpSegment
	h.SetLen(syscall.CmsgLen(2))
	binary.NativeEndian.PutUint16(control[syscall.CmsgLen(0):], uint16(batch[0].N))
	var to netip.AddrPort
	if !s.remote.IsValid() {
		to = batch[0].Remote
	}
	if _, _, err := s.conn.WriteMsgUDPAddrPort(j.data[:bytes], control, to); err != nil {
		if isErrno(err, syscall.EIO) { // the network interface has no checksum offload
			s.segments.Store(false)
		}
		return 0
	}
	return n
}

func isErrno(err error, want syscall.Errno) bool {
	op, _ := err.(*net.OpError)
	if op == nil {
		return false
	}
	call, _ := op.Err.(*os.SyscallError)
	return call != nil && call.Err == want
}

// alike returns how many datagrams at the start of batch can leave together.
func (s *UDPSocket) alike(batch []stack.Datagram) int {
	if !s.segments.Load() {
		return 1
	}
	return datagrams.Joinable(min(len(batch), maxBatch), maxJoined, func(i int) int { return batch[i].N }, func(i int) bool {
		return s.remote.IsValid() || batch[i].Remote == batch[0].Remote
	})
}

// maxReceived is the number of messages that are received with one system call. Each may be of several datagrams.
const maxReceived = 8

// received is memory for messages. The large part without pointers is at its end, which the garbage collector does not
// look at.
type received struct {
	messages [maxReceived]message
	vectors  [maxReceived]syscall.Iovec
	list     [2 * maxBatch]stack.Datagram
	names    [maxReceived]syscall.RawSockaddrInet6
	controls [maxReceived][4]uint64 // a control message with 4 bytes
	data     [maxReceived][maxDatagram]byte
}

// message is struct mmsghdr of Linux.
type message struct {
	header syscall.Msghdr
	length uint32
}

var receivedPool = sync.Pool{New: func() any { return new(received) }}

// Receive waits for datagrams, and calls use with those that have arrived. They are valid during the call. Receive
// holds no buffer while it waits. It must not be called by several goroutines at once.
func (s *UDPSocket) Receive(use func([]stack.Datagram)) error {
	if s.raw == nil {
		return s.opError(net.ErrClosed)
	}
	if err := s.raw.Read(s.try); err != nil {
		return err
	}
	if s.errno != 0 {
		return s.opError(os.NewSyscallError("recvmmsg", s.errno))
	}
	r := s.received
	s.received = nil
	defer receivedPool.Put(r)
	list := r.list[:0]
	for i := range s.count {
		list = r.cut(i, list, use)
	}
	use(list)
	return nil
}

func (s *UDPSocket) opError(err error) error {
	return &net.OpError{Op: "read", Net: "udp", Source: s.conn.LocalAddr(), Addr: s.conn.RemoteAddr(), Err: err}
}

// tryReceive receives the messages that have arrived. It returns false, without memory, if there are none.
func (s *UDPSocket) tryReceive(fd uintptr) bool {
	r := receivedPool.Get().(*received)
	for i := range r.messages {
		r.vectors[i].Base = &r.data[i][0]
		r.vectors[i].SetLen(maxDatagram)
		h := &r.messages[i].header
		h.Name, h.Namelen = (*byte)(unsafe.Pointer(&r.names[i])), syscall.SizeofSockaddrInet6
		h.Iov, h.Iovlen = &r.vectors[i], 1
		h.Control = (*byte)(unsafe.Pointer(&r.controls[i]))
		h.SetControllen(len(r.controls[i]) * 8)
	}
	for {
		n, _, errno := syscall.Syscall6(syscall.SYS_RECVMMSG, fd, uintptr(unsafe.Pointer(&r.messages)), maxReceived, syscall.MSG_DONTWAIT, 0, 0)
		if errno == 0 {
			s.received, s.count, s.errno = r, int(n), 0
			return true
		}
		if errno != syscall.EINTR {
			receivedPool.Put(r)
			s.errno = errno
			return errno != syscall.EAGAIN
		}
	}
}

// cut appends the datagrams of message i to list. If they do not fit, use gets those before them first.
func (r *received) cut(i int, list []stack.Datagram, use func([]stack.Datagram)) []stack.Datagram {
	data := r.data[i][:r.messages[i].length]
	size := r.segmentSize(i)
	if size == 0 {
		size = max(1, len(data))
	}
	from := r.from(i)
	for {
		if len(list) == cap(list) {
			use(list)
			list = list[:0]
		}
		n := min(size, len(data))
		list = append(list, stack.Datagram{Buffer: data[:n], N: n, Remote: from})
		if data = data[n:]; len(data) == 0 {
			return list
		}
	}
}

// segmentSize returns the size of the datagrams that the kernel has joined in message i, 0 if it is one datagram.
func (r *received) segmentSize(i int) int {
	control := unsafe.Slice((*byte)(unsafe.Pointer(&r.controls[i])), int(r.messages[i].header.Controllen))
	for len(control) >= syscall.CmsgLen(0) {
		h := (*syscall.Cmsghdr)(unsafe.Pointer(&control[0]))
		length := int(h.Len)
		if length < syscall.CmsgLen(0) || length > len(control) {
			return 0
		}
		if h.Level == syscall.IPPROTO_UDP && h.Type == udpGRO && length >= syscall.CmsgLen(4) {
			return int(binary.NativeEndian.Uint32(control[syscall.CmsgLen(0):]))
		}
		control = control[min(syscall.CmsgSpace(length-syscall.CmsgLen(0)), len(control)):]
	}
	return 0
}

// from returns the sender of message i.
func (r *received) from(i int) netip.AddrPort {
	name := &r.names[i]
	port := binary.BigEndian.Uint16((*[2]byte)(unsafe.Pointer(&name.Port))[:])
	if name.Family == syscall.AF_INET {
		return netip.AddrPortFrom(netip.AddrFrom4((*syscall.RawSockaddrInet4)(unsafe.Pointer(name)).Addr), port)
	}
	return netip.AddrPortFrom(netip.AddrFrom16(name.Addr).Unmap(), port) // no zone: the stack has none
}
