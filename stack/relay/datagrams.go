package relay

import (
	"errors"
	"net"
	"net/netip"
	"sync"
	"syscall"

	"minitcp/stack"
)

// Flow is the client's end of a UDP flow. [*stack.UDPFlow] implements it.
type Flow interface {
	Wait() error
	ReadBatch([]stack.Datagram) (int, error)
	WriteBatch([]stack.Datagram) (int, error)
	SendUnreachable(destination netip.AddrPort, reason stack.Unreachable) error
	Close() error
}

// Datagrams copies the datagrams of a flow to a UDP socket of the kernel's, many at a time, and those of the socket to
// the flow, until one of them ends. It closes both. An unconnected socket sends each datagram to its destination, and
// the client gets the datagrams that any host sends to the socket. With a connected socket the client also gets the
// errors of its peer: ICMP messages that a port, host or network is unreachable.
//
// Datagrams that cannot be sent are lost. The error is nil after the end of the flow or the closing of the socket.
//
// Datagrams uses one goroutine in addition to its caller's, and holds no buffers while both wait.
func Datagrams(flow Flow, socket *net.UDPConn) error {
	s := NewUDPSocket(socket)
	var wait sync.WaitGroup
	wait.Go(func() {
		defer socket.Close()
		for flow.Wait() == nil {
			b := batches.Get().(*batch)
			n, _ := flow.ReadBatch(b.list[:])
			writeBatch(s.WriteBatch, b.list[:n])
			batches.Put(b)
		}
	})
	err := receiveAll(flow, s)
	flow.Close()
	socket.Close()
	wait.Wait()
	return err
}

// receiveAll copies datagrams from the socket to the flow until the socket ends.
func receiveAll(flow Flow, s *UDPSocket) error {
	forward := func(batch []stack.Datagram) { writeBatch(flow.WriteBatch, batch) }
	for {
		err := s.Receive(forward)
		reason, ofPeer := unreachableFor(err)
		switch {
		case err == nil:
		case errors.Is(err, net.ErrClosed):
			return nil
		case !ofPeer:
			return err
		default:
			flow.SendUnreachable(s.remote, reason)
		}
	}
}

// unreachableFor returns the reason to report to the client for the error of a connected socket, and whether the error
// is due to an ICMP message.
func unreachableFor(err error) (stack.Unreachable, bool) {
	switch {
	case errors.Is(err, syscall.ECONNREFUSED):
		return stack.PortUnreachable, true
	case errors.Is(err, syscall.EHOSTUNREACH):
		return stack.HostUnreachable, true
	case errors.Is(err, syscall.ENETUNREACH):
		return stack.NetUnreachable, true
	}
	return 0, false
}

// writeBatch sends a batch except for the datagrams that cannot be sent.
func writeBatch(write func([]stack.Datagram) (int, error), batch []stack.Datagram) {
	for len(batch) > 0 {
		n, err := write(batch)
		if err != nil {
			n++
		}
		batch = batch[min(n, len(batch)):]
	}
}

const (
	// maxDatagram is the largest number of bytes of data in a datagram.
	maxDatagram = 65535 - 8
	// usualDatagram is the number of bytes of data in a datagram over Ethernet, and more.
	usualDatagram = 2048
	// maxBatch is the number of datagrams that are read from a flow at once, as many as Linux segments.
	maxBatch = 64
)

// batch is memory for datagrams of a flow: for a first one of any size, and usual ones after it.
type batch struct {
	list   [maxBatch]stack.Datagram
	first  [maxDatagram]byte
	others [(maxBatch - 1) * usualDatagram]byte
}

var batches = sync.Pool{New: func() any {
	b := new(batch)
	b.list[0].Buffer = b.first[:]
	for i := range b.list[1:] {
		b.list[i+1].Buffer = b.others[i*usualDatagram : (i+1)*usualDatagram]
	}
	return b
}}

// UDPSocket sends and receives datagrams of a UDP socket of the kernel's many at a time. On Linux datagrams share
// system calls: recvmmsg(2), and segmentation offload in both directions (UDP_SEGMENT, UDP_GRO). Elsewhere each has one
// of its own.
type UDPSocket struct {
	conn   *net.UDPConn
	remote netip.AddrPort // of a connected socket; otherwise not valid
	offload
}

// NewUDPSocket returns a UDPSocket for c. The program must not read from c itself any more: several datagrams might
// arrive as one.
func NewUDPSocket(c *net.UDPConn) *UDPSocket {
	s := &UDPSocket{conn: c}
	if a, ok := c.RemoteAddr().(*net.UDPAddr); ok && a != nil {
		remote := a.AddrPort()
		s.remote = netip.AddrPortFrom(remote.Addr().Unmap(), remote.Port())
	}
	s.setOffload()
	return s
}

// WriteBatch sends the datagrams of batch to their Remotes, or to the peer of a connected socket. It returns how many
// it has sent, which are fewer if there is an error.
func (s *UDPSocket) WriteBatch(batch []stack.Datagram) (int, error) {
	for i := 0; i < len(batch); {
		if n := s.writeJoined(batch[i:]); n > 0 {
			i += n
			continue
		}
		if err := s.write(&batch[i]); err != nil {
			return i, err
		}
		i++
	}
	return len(batch), nil
}

// write sends one datagram.
func (s *UDPSocket) write(d *stack.Datagram) (err error) {
	if s.remote.IsValid() {
		_, err = s.conn.Write(d.Buffer[:d.N])
	} else {
		_, err = s.conn.WriteToUDPAddrPort(d.Buffer[:d.N], d.Remote)
	}
	return err
}
