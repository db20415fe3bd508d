//go:build linux

package subject

import (
	"fmt"

	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/adapters/gonet"
	"gvisor.dev/gvisor/pkg/tcpip/header"
	"gvisor.dev/gvisor/pkg/tcpip/network/ipv4"
	"gvisor.dev/gvisor/pkg/tcpip/stack"
	"gvisor.dev/gvisor/pkg/tcpip/transport/tcp"
)

const nic = 1

// startBest starts gVisor as fast as we could make it, with its usual listener. Each choice was measured against its
// opposite:
//
//   - Reno, because the window of gVisor's CUBIC stays small here. It measures round trips in milliseconds, and its
//     HyStart ends slow start at some 100 segments, which are two superframes.
//   - Send buffers of at most 2 MiB, because 8 MiB in flight exceed the CPU's cache.
//   - Receive buffers that begin at 4 MiB and may grow to 8 MiB, so that the window need not grow first.
func startBest(s *services) error {
	l, err := newLink()
	if err != nil {
		return err
	}
	g := stack.New(stack.Options{
		NetworkProtocols:   []stack.NetworkProtocolFactory{ipv4.NewProtocol},
		TransportProtocols: []stack.TransportProtocolFactory{tcp.NewProtocol},
	})
	if err := setBest(g); err != nil {
		return err
	}
	if err := attach(g, l); err != nil {
		return err
	}
	return listen(s, g)
}

// setBest sets the options of startBest.
func setBest(g *stack.Stack) error {
	noDelay, sack, autotune := tcpip.TCPDelayEnabled(false), tcpip.TCPSACKEnabled(true), tcpip.TCPModerateReceiveBufferOption(true)
	reno, rack := tcpip.CongestionControlOption("reno"), tcpip.TCPRACKLossDetection
	send := tcpip.TCPSendBufferSizeRangeOption{Min: tcp.MinBufferSize, Default: tcp.DefaultSendBufferSize, Max: 2 << 20}
	receive := tcpip.TCPReceiveBufferSizeRangeOption{Min: tcp.MinBufferSize, Default: 4 << 20, Max: 8 << 20}
	return setTCP(g, &noDelay, &sack, &autotune, &reno, &rack, &send, &receive)
}

// startGvisorWith starts gVisor for links with loss and delay: with a given congestion control, and buffers that can
// hold all data in flight.
func startGvisorWith(s *services, control string) error {
	l, err := newLink()
	if err != nil {
		return err
	}
	g := stack.New(stack.Options{
		NetworkProtocols:   []stack.NetworkProtocolFactory{ipv4.NewProtocol},
		TransportProtocols: []stack.TransportProtocolFactory{tcp.NewProtocol},
	})
	const most = 8 << 20
	noDelay, sack, autotune := tcpip.TCPDelayEnabled(false), tcpip.TCPSACKEnabled(true), tcpip.TCPModerateReceiveBufferOption(true)
	congestion, rack := tcpip.CongestionControlOption(control), tcpip.TCPRACKLossDetection
	send := tcpip.TCPSendBufferSizeRangeOption{Min: tcp.MinBufferSize, Default: tcp.DefaultSendBufferSize, Max: most}
	receive := tcpip.TCPReceiveBufferSizeRangeOption{Min: tcp.MinBufferSize, Default: tcp.DefaultReceiveBufferSize, Max: most}
	if err := setTCP(g, &noDelay, &sack, &autotune, &congestion, &rack, &send, &receive); err != nil {
		return err
	}
	if err := attach(g, l); err != nil {
		return err
	}
	s.recoveries = func() (timeouts, spurious int64) { return int64(g.Stats().TCP.Timeouts.Value()), unknown }
	return listen(s, g)
}

// listen starts the usual listener on each port.
func listen(s *services, g *stack.Stack) error {
	for _, port := range ports {
		address := tcpip.FullAddress{NIC: nic, Addr: serverAddress(), Port: port}
		l, err := gonet.ListenTCP(g, address, ipv4.ProtocolNumber)
		if err != nil {
			return err
		}
		go s.accept(l, port)
	}
	return nil
}

// setTCP sets options of all connections of a stack.
func setTCP(g *stack.Stack, options ...tcpip.SettableTransportProtocolOption) error {
	for _, o := range options {
		if err := g.SetTransportProtocolOption(tcp.ProtocolNumber, o); err != nil {
			return fmt.Errorf("gVisor refuses %T: %s", o, err)
		}
	}
	return nil
}

// attach connects a stack to a link, with the server's address and a default route.
func attach(g *stack.Stack, link stack.LinkEndpoint) error {
	if err := g.CreateNIC(nic, link); err != nil {
		return fmt.Errorf("gVisor refuses the link: %s", err)
	}
	address := tcpip.ProtocolAddress{
		Protocol:          ipv4.ProtocolNumber,
		AddressWithPrefix: tcpip.AddressWithPrefix{Address: serverAddress(), PrefixLen: ServerAddress.Bits()},
	}
	if err := g.AddProtocolAddress(nic, address, stack.AddressProperties{}); err != nil {
		return fmt.Errorf("gVisor refuses the address: %s", err)
	}
	g.SetRouteTable([]tcpip.Route{{Destination: header.IPv4EmptySubnet, NIC: nic}})
	return nil
}

func serverAddress() tcpip.Address { return tcpip.AddrFrom4(ServerAddress.Addr().As4()) }
