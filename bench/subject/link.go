//go:build linux

package subject

import (
	"encoding/binary"
	"fmt"
	"os"
	"runtime"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
	"gvisor.dev/gvisor/pkg/buffer"
	"gvisor.dev/gvisor/pkg/rawfile"
	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/header"
	"gvisor.dev/gvisor/pkg/tcpip/network/ipv4"
	"gvisor.dev/gvisor/pkg/tcpip/stack"
)

// link is a gVisor link endpoint on a TUN with a virtio_net_hdr. Superframes pass whole and checksums are left open in
// both directions; nothing is queued between the device and the stack.
//
// The device has one queue. With one for each CPU, as minitcp has, bulk on one connection was slower and eight uploads
// were faster.
//
// It works as gVisor's own fdbased, which takes superframes from packet sockets only: frames are read into gVisor's
// pooled memory and written from it, without a copy in this process. In place of poll(2) it waits in Go's poller, as
// minitcp does, because a goroutine that waits in a system call keeps its P for a while, which costs transactions
// with many small frames.
type link struct {
	file       *os.File // owns fd
	fd         int
	dispatcher stack.NetworkDispatcher
}

const (
	virtioLength = 10
	maxPacket    = 65535
	headerRoom   = 128  // bytes, as in fdbased: the headers are in memory of their own
	worthACopy   = 4096 // bytes: more data keeps the 64 KiB it was read into
	dataRoom     = 1 << 16
	ackLength    = 52 // bytes of a packet without data, but with a timestamp
	manyAsked    = 64 // times an empty queue is asked, and the rule for it, as in package tun
	fewAsked     = 4
	maxCredit    = 16
	trial        = 32
)

func newLink() (*link, error) {
	fd, err := openTUN(unix.IFF_VNET_HDR)
	if err != nil {
		return nil, err
	}
	if err := unix.SetNonblock(fd, true); err != nil {
		return nil, err
	}
	return &link{file: os.NewFile(uintptr(fd), deviceName), fd: fd}, configureTUN(queueLength)
}

// Attach begins to read.
func (l *link) Attach(dispatcher stack.NetworkDispatcher) {
	l.dispatcher = dispatcher
	if dispatcher != nil {
		go func() {
			fmt.Fprintln(os.Stderr, l.read())
			os.Exit(1)
		}()
	}
}

// read gives frames to the stack.
func (l *link) read() error {
	raw, err := l.file.SyscallConn()
	if err != nil {
		return err
	}
	r := newReader()
	for {
		if err := r.next(raw); err != nil {
			return err
		}
		if header.IPVersion(r.head.AsSlice()) != header.IPv4Version {
			continue // the kernel's router solicitations
		}
		pkt := stack.NewPacketBuffer(stack.PacketBufferOptions{Payload: r.pull()})
		l.dispatcher.DeliverNetworkPacket(ipv4.ProtocolNumber, pkt)
		pkt.DecRef()
	}
}

// reader reads a frame into memory that gVisor may keep.
type reader struct {
	skipped    [virtioLength]byte // gVisor has no use for it
	head, data *buffer.View
	vector     [3]unix.Iovec
	receive    func(uintptr) bool
	n          int
	asked      int // times the queue was empty in this wait
	most       int // of asked
	credit     int // frames that many polls have found, less the waits in which they found none
	waits      int
	blocked    bool // the reader has blocked in this wait
	errno      unix.Errno
}

func newReader() *reader {
	r := new(reader)
	r.receive = r.take
	r.vector[0] = rawfile.IovecFromBytes(r.skipped[:])
	r.renewHead()
	r.renewData()
	return r
}

func (r *reader) renewHead() {
	r.head = buffer.NewViewSize(headerRoom)
	r.vector[1] = rawfile.IovecFromBytes(r.head.AsSlice())
}

func (r *reader) renewData() {
	r.data = buffer.NewViewSize(dataRoom)
	r.vector[2] = rawfile.IovecFromBytes(r.data.AsSlice())
}

// next waits for a frame. After one with little data, which is probably part of a dialogue, it polls some times
// before it parks. With bulk, polling would take CPU time from the sender.
func (r *reader) next(raw syscall.RawConn) error {
	r.asked, r.most, r.blocked = 0, 0, false
	if r.n > virtioLength+ackLength && r.n <= virtioLength+worthACopy {
		r.most = fewAsked
		if r.waits++; r.credit > 0 || r.waits%trial == 0 {
			r.most = manyAsked
		}
	}
	if err := raw.Read(r.receive); err != nil {
		return err
	}
	if r.errno != 0 {
		return r.errno
	}
	return nil
}

// take returns a frame without blocking, or false if there is none.
func (r *reader) take(fd uintptr) bool {
	for {
		n, _, errno := unix.Syscall(unix.SYS_READV, fd, uintptr(unsafe.Pointer(&r.vector[0])), uintptr(len(r.vector)))
		switch {
		case errno == unix.EINTR:
		case errno != unix.EAGAIN:
			r.n, r.errno = int(n), errno
			if r.asked > fewAsked && !r.blocked {
				r.credit = min(r.credit+1, maxCredit)
			}
			return true
		case r.asked == r.most:
			if r.most > 0 && !r.blocked {
				r.credit = max(r.credit-1, 0)
			}
			r.blocked = true
			return false
		default:
			r.asked++
			runtime.Gosched()
		}
	}
}

// pull returns the packet, and replaces the memory that the packet keeps.
func (r *reader) pull() buffer.Buffer {
	length := r.n - virtioLength
	r.head.CapLength(min(length, headerRoom))
	packet := buffer.MakeWithView(r.head)
	r.renewHead()
	switch length -= headerRoom; {
	case length > worthACopy:
		r.data.CapLength(length)
		appendView(&packet, r.data)
		r.renewData()
	case length > 0:
		appendView(&packet, buffer.NewViewWithData(r.data.AsSlice()[:length]))
	}
	return packet
}

func appendView(b *buffer.Buffer, v *buffer.View) {
	if err := b.Append(v); err != nil {
		panic(err) // cannot fail
	}
}

// WritePackets writes each packet as one frame, gathered from gVisor's memory.
func (l *link) WritePackets(packets stack.PacketBufferList) (int, tcpip.Error) {
	for i, pkt := range packets.AsSlice() {
		var head [virtioLength]byte
		l.header(&head, pkt)
		var array [16]unix.Iovec
		vector := append(array[:0], rawfile.IovecFromBytes(head[:]))
		views, offset := pkt.AsViewList()
		for v := views.Front(); v != nil; v = v.Next() {
			b := v.AsSlice()
			skip := min(offset, len(b))
			offset -= skip
			if skip < len(b) {
				vector = append(vector, rawfile.IovecFromBytes(b[skip:]))
			}
		}
		if errno := rawfile.NonBlockingWriteIovec(l.fd, vector); errno != 0 {
			return i, &tcpip.ErrNoBufferSpace{}
		}
	}
	return packets.Len(), nil
}

// header returns the virtio_net_hdr of a packet (Linux, include/uapi/linux/virtio_net.h).
func (l *link) header(h *[virtioLength]byte, pkt *stack.PacketBuffer) {
	o := &pkt.GSOOptions
	if o.Type == stack.GSONone {
		return
	}
	order := binary.NativeEndian
	if o.NeedsCsum {
		h[0] = unix.VIRTIO_NET_HDR_F_NEEDS_CSUM
		order.PutUint16(h[6:], o.L3HdrLen)
		order.PutUint16(h[8:], o.CsumOffset)
	}
	order.PutUint16(h[2:], uint16(pkt.HeaderSize()))
	if pkt.Data().Size() > int(o.MSS) {
		h[1] = unix.VIRTIO_NET_HDR_GSO_TCPV4
		order.PutUint16(h[4:], o.MSS)
	}
}

// GSOMaxSize returns the size of the largest IP packet.
func (l *link) GSOMaxSize() uint32 { return maxPacket }

// SupportedGSO reports that the device accepts GSO packets.
func (l *link) SupportedGSO() stack.SupportedGSO { return stack.HostGSOSupported }

// Capabilities reports that received checksums are right.
func (l *link) Capabilities() stack.LinkEndpointCapabilities {
	return stack.CapabilityRXChecksumOffload
}

// The remaining methods of a gVisor link.

func (l *link) MTU() uint32                             { return mtu }
func (l *link) SetMTU(uint32)                           {}
func (l *link) MaxHeaderLength() uint16                 { return 0 }
func (l *link) LinkAddress() tcpip.LinkAddress          { return "" }
func (l *link) SetLinkAddress(tcpip.LinkAddress)        {}
func (l *link) IsAttached() bool                        { return l.dispatcher != nil }
func (l *link) Wait()                                   {}
func (l *link) ARPHardwareType() header.ARPHardwareType { return header.ARPHardwareNone }
func (l *link) AddHeader(*stack.PacketBuffer)           {}
func (l *link) ParseHeader(*stack.PacketBuffer) bool    { return true }
func (l *link) Close()                                  {}
func (l *link) SetOnCloseAction(func())                 {}
