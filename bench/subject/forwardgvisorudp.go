//go:build linux

package subject

import (
	"net"
	"net/netip"
	"sync"

	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/adapters/gonet"
	"gvisor.dev/gvisor/pkg/waiter"

	"minitcp/stack"
)

// gvisorFlow is a UDP flow of gVisor's as a [relay.Flow].
type gvisorFlow struct {
	*gonet.UDPConn
	endpoint tcpip.Endpoint
	queue    *waiter.Queue
	remote   netip.AddrPort // the destination of the client
	closed   chan struct{}
	once     sync.Once
}

func newGVisorFlow(queue *waiter.Queue, endpoint tcpip.Endpoint, remote netip.AddrPort) *gvisorFlow {
	return &gvisorFlow{UDPConn: gonet.NewUDPConn(queue, endpoint), endpoint: endpoint, queue: queue, remote: remote, closed: make(chan struct{})}
}

func (f *gvisorFlow) Close() error {
	f.once.Do(func() { close(f.closed) })
	return f.UDPConn.Close()
}

func (f *gvisorFlow) Wait() error {
	entry, ready := waiter.NewChannelEntry(waiter.ReadableEvents)
	f.queue.EventRegister(&entry)
	defer f.queue.EventUnregister(&entry)
	for f.endpoint.Readiness(waiter.ReadableEvents) == 0 {
		select {
		case <-ready:
		case <-f.closed:
			return net.ErrClosed
		}
	}
	return nil
}

// ReadBatch reads the datagrams that have arrived, without waiting.
func (f *gvisorFlow) ReadBatch(batch []stack.Datagram) (int, error) {
	for i := range batch {
		d := &batch[i]
		w := tcpip.SliceWriter(d.Buffer)
		r, err := f.endpoint.Read(&w, tcpip.ReadOptions{})
		if err != nil {
			return i, nil
		}
		d.N, d.Remote = r.Count, f.remote
	}
	return len(batch), nil
}

func (f *gvisorFlow) WriteBatch(batch []stack.Datagram) (int, error) {
	for i := range batch {
		if _, err := f.Write(batch[i].Buffer[:batch[i].N]); err != nil {
			return i, err
		}
	}
	return len(batch), nil
}

func (f *gvisorFlow) SendUnreachable(netip.AddrPort, stack.Unreachable) error { return nil }

// flowSingly opens a connected socket for a flow and copies datagrams one by one in both directions, as tun2socks does.
func (p *forwardProgram) flowSingly(client *gvisorFlow) {
	server, err := net.DialUDP("udp4", nil, net.UDPAddrFromAddrPort(client.remote))
	if err != nil {
		p.fail("%v", err)
		return
	}
	go func() {
		defer server.Close()
		copyDatagrams(server, client)
	}()
	copyDatagrams(client, server)
}

// copyDatagrams ends with an error of src. An error of dst is the loss of a datagram.
func copyDatagrams(dst, src net.Conn) {
	buffer := make([]byte, 2048) // more than the MTU
	for {
		n, err := src.Read(buffer)
		if err != nil {
			return
		}
		dst.Write(buffer[:n])
	}
}
