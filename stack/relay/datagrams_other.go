//go:build !linux

package relay

import (
	"net/netip"
	"sync"

	"minitcp/stack"
)

// offload is not used.
type offload struct{}

func (s *UDPSocket) setOffload() {}

func (s *UDPSocket) writeJoined([]stack.Datagram) int { return 0 }

var buffers = sync.Pool{New: func() any { return new([maxDatagram]byte) }}

// Receive waits for datagrams, and calls use with those that have arrived. They are valid during the call.
func (s *UDPSocket) Receive(use func([]stack.Datagram)) error {
	b := buffers.Get().(*[maxDatagram]byte)
	defer buffers.Put(b)
	n, from, err := s.conn.ReadFromUDPAddrPort(b[:])
	if err != nil {
		return err
	}
	from = netip.AddrPortFrom(from.Addr().Unmap(), from.Port())
	use([]stack.Datagram{{Buffer: b[:n], N: n, Remote: from}})
	return nil
}
