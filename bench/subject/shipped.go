//go:build linux

package subject

import (
	"fmt"
	"time"

	"golang.org/x/sys/unix"
	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/adapters/gonet"
	"gvisor.dev/gvisor/pkg/tcpip/link/fdbased"
	"gvisor.dev/gvisor/pkg/tcpip/network/ipv4"
	"gvisor.dev/gvisor/pkg/tcpip/stack"
	"gvisor.dev/gvisor/pkg/tcpip/transport/tcp"
	"gvisor.dev/gvisor/pkg/waiter"
)

// startShipped sets gVisor up as tun2socks v2 does on Linux (its core/option, core/tcp.go and core/device/tun): one
// packet of the MTU's size per system call, every checksum computed, Reno, SACK and RACK, receive buffers of fixed
// size, no Nagle, a forwarder that takes connections to any address, and keep-alives.
func startShipped(s *services) error {
	fd, err := openTUN(0)
	if err != nil {
		return err
	}
	if err := unix.SetNonblock(fd, true); err != nil {
		return err
	}
	if err := configureTUN(0); err != nil {
		return err
	}
	link, err := fdbased.New(&fdbased.Options{FDs: []int{fd}, MTU: mtu, PacketDispatchMode: fdbased.Readv})
	if err != nil {
		return err
	}
	g := stack.New(stack.Options{
		NetworkProtocols:   []stack.NetworkProtocolFactory{ipv4.NewProtocol},
		TransportProtocols: []stack.TransportProtocolFactory{tcp.NewProtocol},
	})
	noDelay, sack, autotune := tcpip.TCPDelayEnabled(false), tcpip.TCPSACKEnabled(true), tcpip.TCPModerateReceiveBufferOption(false)
	reno, rack := tcpip.CongestionControlOption("reno"), tcpip.TCPRACKLossDetection
	send := tcpip.TCPSendBufferSizeRangeOption{Min: tcp.MinBufferSize, Default: tcp.DefaultSendBufferSize, Max: tcp.MaxBufferSize}
	receive := tcpip.TCPReceiveBufferSizeRangeOption{Min: tcp.MinBufferSize, Default: tcp.DefaultReceiveBufferSize, Max: tcp.MaxBufferSize}
	if err := setTCP(g, &noDelay, &sack, &autotune, &reno, &rack, &send, &receive); err != nil {
		return err
	}
	const inFlight = 2048
	g.SetTransportProtocolHandler(tcp.ProtocolNumber, tcp.NewForwarder(g, 0, inFlight, s.forward).HandlePacket)
	if err := attach(g, link); err != nil {
		return err
	}
	if err := g.SetPromiscuousMode(nic, true); err != nil {
		return fmt.Errorf("gVisor refuses to be promiscuous: %s", err)
	}
	if err := g.SetSpoofing(nic, true); err != nil {
		return fmt.Errorf("gVisor refuses to use any address: %s", err)
	}
	return nil
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
	idle, interval := tcpip.KeepaliveIdleOption(60*time.Second), tcpip.KeepaliveIntervalOption(30*time.Second)
	endpoint.SocketOptions().SetKeepAlive(true)
	for _, err := range []tcpip.Error{endpoint.SetSockOpt(&idle), endpoint.SetSockOpt(&interval), endpoint.SetSockOptInt(tcpip.KeepaliveCountOption, 9)} {
		if err != nil {
			s.fail("gVisor refuses keep-alives: %s", err)
		}
	}
	s.serve(gonet.NewTCPConn(&queue, endpoint), port)
}
