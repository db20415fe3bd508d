//go:build linux

package load

import (
	"encoding/binary"
	"fmt"
	"net"
	"net/netip"
	"sync/atomic"
	"time"
	"unsafe"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"minitcp/bench/subject"
	"minitcp/conn/wire"
)

// Greed is the behaviour of the peers of a [Mob] once their connections are established.
type Greed uint8

const (
	ZeroWindow Greed = iota // keep the window at zero, and reply to every probe
	Hoard                   // send 1100 bytes in five places, each beyond a gap
	Ahead                   // send one byte 50,000 bytes ahead
	Unread                  // send as much as the window permits
	Close                   // reply to the server's FIN, which leaves the server in TIME-WAIT
)

// Mob is a number of greedy peers with addresses of [FloodSources]. A raw socket sends their segments, and a packet
// socket receives the server's, so the peers take almost no memory of the kernel.
type Mob struct {
	greed  Greed
	server netip.Addr
	port   uint16
	peers  []mobPeer
	next   int // the first peer that has sent no SYN
	lost   int // SYNs without a reply when the server fell silent

	out, in *batch
	sender  int // descriptor
	queued  int // segments in out

	opened, reset atomic.Int64
	stop, enough  atomic.Bool
	settled, done chan struct{}
	err           error // read after done
}

// mobPeer is the state of a peer: little, as there may be a million.
type mobPeer struct {
	acked  uint32 // the highest acknowledgment number from the server
	opened bool
	scale  uint8 // of the server's windows
}

const (
	mobHosts    = 100_000               // addresses
	mobPort     = 2000                  // port of the first mobHosts peers
	mobSYNs     = 512                   // SYNs without a reply at a time
	mobPatience = 50 * time.Millisecond // time without a segment after which SYNs count as lost
	mobQuiet    = 500 * time.Millisecond
	mobSteady   = 5 * time.Second
	mobSegment  = 1448 // bytes of data
	mobHeaders  = wire.IPv4HeaderLen + 60
)

// StartMob opens a connection from each peer to a port of the server. Stop must follow.
func StartMob(where subject.Place, server netip.Addr, port uint16, greed Greed, peers int) *Mob {
	m := &Mob{greed: greed, server: server, port: port, peers: make([]mobPeer, peers), settled: make(chan struct{}), done: make(chan struct{}),
		out: newBatch(mobHeaders + mobSegment), in: newBatch(mobHeaders)}
	go func() {
		defer close(m.done)
		m.err = where.Do(m.run)
	}()
	return m
}

// Opened returns the number of connections so far, and Reset that of RSTs from the server.
func (m *Mob) Opened() int64 { return m.opened.Load() }
func (m *Mob) Reset() int64  { return m.reset.Load() }

// Enough keeps the peers that have sent no SYN from opening a connection.
func (m *Mob) Enough() { m.enough.Store(true) }

// Settled returns a channel that is closed when no peer has a SYN to send and the server has been silent for mobQuiet,
// or has opened no connection for mobSteady: it may probe so many closed windows that it is never silent.
func (m *Mob) Settled() <-chan struct{} { return m.settled }

// Ended returns a channel that is closed when the mob has ended.
func (m *Mob) Ended() <-chan struct{} { return m.done }

// Stop ends the mob and returns its error.
func (m *Mob) Stop() error {
	m.stop.Store(true)
	<-m.done
	return m.err
}

func (m *Mob) run() (err error) {
	if err := dropReplies(); err != nil {
		return err
	}
	if m.sender, err = rawSocket(m.server); err != nil {
		return err
	}
	defer unix.Close(m.sender)
	receiver, err := packetSocket()
	if err != nil {
		return err
	}
	defer unix.Close(receiver)
	settled := false
	heard, opened, grown := time.Now(), int64(0), time.Now()
	for !m.stop.Load() {
		opening := m.next < len(m.peers) && !m.enough.Load()
		silent := time.Since(heard)
		if opening {
			if silent > mobPatience {
				m.lost = m.next - int(m.opened.Load())
				heard = time.Now()
			}
			if err := m.open(); err != nil {
				return err
			}
		}
		n, err := m.receive(receiver)
		if err != nil {
			return err
		}
		if n > 0 {
			heard = time.Now()
		}
		if now := m.opened.Load(); now > opened {
			opened, grown = now, time.Now()
		}
		if !opening && !settled && (silent > mobQuiet || time.Since(grown) > mobSteady) {
			settled = true
			close(m.settled)
		}
		if n == 0 && !opening {
			time.Sleep(floodPause)
		}
	}
	return nil
}

// open sends the next SYNs.
func (m *Mob) open() error {
	for range datagramWindow {
		if m.next == len(m.peers) || m.next-m.lost-int(m.opened.Load()) >= mobSYNs {
			break
		}
		syn := wire.TCP{Flags: wire.SYN, Window: 64240, Options: wire.Options{MSS: 1460, HasWindowScale: true, WindowScale: 7, SACKPermitted: true}}
		m.next++
		if err := m.send(m.next-1, &syn, nil); err != nil {
			return err
		}
	}
	return m.flush()
}

// receive handles the segments that have arrived, and returns their number.
func (m *Mob) receive(fd int) (int, error) {
	n, err := m.in.call(unix.SYS_RECVMMSG, fd, datagramWindow, unix.MSG_DONTWAIT)
	if err == unix.EAGAIN {
		return 0, nil
	}
	if err != nil {
		return 0, fmt.Errorf("recvmmsg: %w", err)
	}
	for i := range n {
		b := m.in.memory[i][:m.in.messages[i].length]
		var h wire.TCP
		if len(b) < wire.IPv4HeaderLen {
			continue
		}
		if _, err := wire.ParseTCP(b[wire.IPv4HeaderLen:], &h); err != nil {
			continue
		}
		host := binary.BigEndian.Uint32(b[16:]) - mobAddress(0)
		peer := int(h.DstPort-mobPort)*mobHosts + int(host)
		if host < mobHosts && peer < m.next {
			length := int(binary.BigEndian.Uint16(b[2:])) - wire.IPv4HeaderLen - h.HeaderLen
			if err := m.react(peer, &h, length); err != nil {
				return n, err
			}
		}
	}
	return n, m.flush()
}

// react sends the reply of a peer to a segment with a number of bytes of data.
func (m *Mob) react(i int, h *wire.TCP, length int) error {
	p := &m.peers[i]
	if h.Flags.Has(wire.RST) {
		m.reset.Add(1)
		return nil
	}
	reply := wire.TCP{Flags: wire.ACK, Seq: h.Ack, Ack: h.Seq, Window: 65535}
	if h.Flags.Has(wire.SYN) {
		reply.Ack++
		return m.established(i, h, &reply)
	}
	advanced := int32(h.Ack-p.acked) > 0
	if advanced {
		p.acked = h.Ack
	}
	switch {
	case m.greed == ZeroWindow && length > 0:
		reply.Window = 0
		return m.send(i, &reply, nil)
	case m.greed == Close && h.Flags.Has(wire.FIN):
		reply.Flags |= wire.FIN
		reply.Ack += uint32(length) + 1
		return m.send(i, &reply, nil)
	case m.greed == Unread && advanced:
		return m.fill(i, &reply, int(h.Window)<<p.scale)
	}
	return nil
}

// established completes a handshake, and sends the data that follows.
func (m *Mob) established(i int, h, reply *wire.TCP) error {
	p := &m.peers[i]
	if !p.opened {
		m.opened.Add(1)
	}
	p.opened, p.acked, p.scale = true, h.Ack, h.Options.WindowScale
	if m.greed == ZeroWindow {
		reply.Window = 0
	}
	if err := m.send(i, reply, nil); err != nil {
		return err
	}
	switch m.greed {
	case Hoard:
		for n := range uint32(5) {
			reply.Seq = h.Ack + 10 + n*8192
			if err := m.send(i, reply, mobData[:1100]); err != nil {
				return err
			}
		}
	case Ahead:
		reply.Seq = h.Ack + 50_000
		return m.send(i, reply, mobData[:1])
	case Unread:
		return m.fill(i, reply, int(h.Window))
	}
	return nil
}

// fill sends up to two segments of data within a window, since the server acknowledges every second one.
func (m *Mob) fill(i int, segment *wire.TCP, window int) error {
	for n := 0; n < 2 && window > 0; n++ {
		size := min(window, mobSegment)
		if err := m.send(i, segment, mobData[:size]); err != nil {
			return err
		}
		segment.Seq += uint32(size)
		window -= size
	}
	return nil
}

var mobData [mobSegment]byte

// mobAddress returns the address of a host, as a number.
func mobAddress(host int) uint32 {
	first := FloodSources.Addr().As4()
	return binary.BigEndian.Uint32(first[:]) + 1 + uint32(host)
}

// send adds a segment of a peer to the batch.
func (m *Mob) send(i int, h *wire.TCP, data []byte) error {
	h.SrcPort, h.DstPort = uint16(mobPort+i/mobHosts), m.port
	var source [4]byte
	binary.BigEndian.PutUint32(source[:], mobAddress(i%mobHosts))
	if h.Flags.Has(wire.SYN) {
		h.Seq = uint32(i) * 2654435761 // spreads the numbers
	}
	ip := wire.IP{Src: netip.AddrFrom4(source), Dst: m.server, Protocol: wire.ProtocolTCP, HopLimit: 64}
	b := m.out.memory[m.queued]
	length := 20 + h.Options.Len() + len(data)
	at := wire.PutIP(b, &ip, length)
	segment := b[at : at+length]
	copy(segment[wire.PutTCP(segment, h):], data)
	sum := wire.PseudoHeaderSum(ip.Src, ip.Dst, ip.Protocol, length)
	binary.BigEndian.PutUint16(segment[wire.TCPChecksumOffset:], ^wire.Fold(wire.Sum(segment, sum)))
	m.out.vectors[m.queued].SetLen(at + length)
	if m.queued++; m.queued == datagramWindow {
		return m.flush()
	}
	return nil
}

// flush sends the batch.
func (m *Mob) flush() error {
	n := m.queued
	if m.queued = 0; n == 0 {
		return nil
	}
	if _, err := m.out.call(unix.SYS_SENDMMSG, m.sender, n, 0); err != nil && err != unix.ENOBUFS {
		return fmt.Errorf("sendmmsg: %w", err)
	}
	return nil
}

// dropReplies makes the kernel of the namespace discard the packets to FloodSources, without ICMP messages.
func dropReplies() error {
	sources := &net.IPNet{IP: FloodSources.Addr().AsSlice(), Mask: net.CIDRMask(FloodSources.Bits(), 32)}
	if err := netlink.RouteReplace(&netlink.Route{Dst: sources, Type: unix.RTN_BLACKHOLE}); err != nil {
		return fmt.Errorf("the route of %v: %w", sources, err)
	}
	return nil
}

// rawSocket returns a socket that sends packets to the server as they are.
func rawSocket(server netip.Addr) (fd int, err error) {
	fd, err = unix.Socket(unix.AF_INET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.IPPROTO_RAW)
	if err != nil {
		return -1, fmt.Errorf("a raw socket: %w", err)
	}
	if err := unix.Connect(fd, &unix.SockaddrInet4{Addr: server.As4()}); err != nil {
		unix.Close(fd)
		return -1, fmt.Errorf("a raw socket: %w", err)
	}
	return fd, nil
}

// packetSocket returns a socket that receives the packets to FloodSources.
func packetSocket() (fd int, err error) {
	if fd, err = unix.Socket(unix.AF_PACKET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0); err != nil {
		return -1, fmt.Errorf("a packet socket: %w", err)
	}
	first := FloodSources.Addr().As4()
	filter := []unix.SockFilter{
		{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, K: 16}, // the destination
		{Code: unix.BPF_ALU | unix.BPF_AND | unix.BPF_K, K: ^uint32(0) << (32 - FloodSources.Bits())},
		{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, K: binary.BigEndian.Uint32(first[:]), Jf: 1},
		{Code: unix.BPF_RET | unix.BPF_K, K: mobHeaders},
		{Code: unix.BPF_RET | unix.BPF_K},
	}
	program := unix.SockFprog{Len: uint16(len(filter)), Filter: (*unix.SockFilter)(unsafe.Pointer(&filter[0]))}
	err = unix.SetsockoptSockFprog(fd, unix.SOL_SOCKET, unix.SO_ATTACH_FILTER, &program)
	if err == nil {
		err = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, 64<<20)
	}
	if err == nil {
		err = unix.Bind(fd, &unix.SockaddrLinklayer{Protocol: binary.BigEndian.Uint16(binary.NativeEndian.AppendUint16(nil, unix.ETH_P_IP))})
	}
	if err != nil {
		unix.Close(fd)
		return -1, fmt.Errorf("a packet socket: %w", err)
	}
	return fd, nil
}
