//go:build linux

package subject

import (
	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/adapters/gonet"
	"gvisor.dev/gvisor/pkg/tcpip/network/ipv4"
	"gvisor.dev/gvisor/pkg/tcpip/stack"
	"gvisor.dev/gvisor/pkg/tcpip/transport/tcp"
	"gvisor.dev/gvisor/pkg/waiter"
)

// startShipped sets gVisor up as tun2socks v2 does on Linux (its core/option, core/tcp.go and core/device/tun): one
// packet of the MTU's size per system call, every checksum computed, Reno, SACK and RACK, receive buffers of fixed
// size, no Nagle, a forwarder that takes connections to any address, and keep-alives.
func startShipped(s *services) error {
	link, err := shippedLink()
	if err != nil {
		return err
	}
	g := stack.New(stack.Options{
		NetworkProtocols:   []stack.NetworkProtocolFactory{ipv4.NewProtocol},
		TransportProtocols: []stack.TransportProtocolFactory{tcp.NewProtocol},
	})
	if err := setShipped(g); err != nil {
		return err
	}
	g.SetTransportProtocolHandler(tcp.ProtocolNumber, tcp.NewForwarder(g, 0, inFlight, s.forward).HandlePacket)
	return attachAny(g, link)
}

// setShipped sets the options of tun2socks.
func setShipped(g *stack.Stack) error {
	noDelay, sack, autotune := tcpip.TCPDelayEnabled(false), tcpip.TCPSACKEnabled(true), tcpip.TCPModerateReceiveBufferOption(false)
	reno, rack := tcpip.CongestionControlOption("reno"), tcpip.TCPRACKLossDetection
	send := tcpip.TCPSendBufferSizeRangeOption{Min: tcp.MinBufferSize, Default: tcp.DefaultSendBufferSize, Max: tcp.MaxBufferSize}
	receive := tcpip.TCPReceiveBufferSizeRangeOption{Min: tcp.MinBufferSize, Default: tcp.DefaultReceiveBufferSize, Max: tcp.MaxBufferSize}
	return setTCP(g, &noDelay, &sack, &autotune, &reno, &rack, &send, &receive)
}

// forward accepts one connection.
func (s *services) forward(r *tcp.ForwarderRequest) {
	var queue waiter.Queue
	port := r.ID().LocalPort
	endpoint, err := r.CreateEndpoint(&queue)
	if err != nil {
		r.Complete(true)
		s.fail("gVisor does not take a connection: %s", err)
		return
	}
	r.Complete(false)
	if err := keepAlive(endpoint); err != nil {
		s.fail("%v", err)
	}
	s.serve(gonet.NewTCPConn(&queue, endpoint), port)
}
