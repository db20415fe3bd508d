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

// startBest is gVisor with everything on that is known to make it fast, and its usual listener.
func startBest(s *services) error {
	device, err := openDevice(1)
	if err != nil {
		return err
	}
	g := stack.New(stack.Options{
		NetworkProtocols:   []stack.NetworkProtocolFactory{ipv4.NewProtocol},
		TransportProtocols: []stack.TransportProtocolFactory{tcp.NewProtocolCUBIC},
	})
	const most = 8 << 20
	noDelay, sack, autotune := tcpip.TCPDelayEnabled(false), tcpip.TCPSACKEnabled(true), tcpip.TCPModerateReceiveBufferOption(true)
	rack := tcpip.TCPRACKLossDetection
	send := tcpip.TCPSendBufferSizeRangeOption{Min: tcp.MinBufferSize, Default: tcp.DefaultSendBufferSize, Max: most}
	receive := tcpip.TCPReceiveBufferSizeRangeOption{Min: tcp.MinBufferSize, Default: tcp.DefaultReceiveBufferSize, Max: most}
	if err := setTCP(g, &noDelay, &sack, &autotune, &rack, &send, &receive); err != nil {
		return err
	}
	if err := attach(g, newLink(device)); err != nil {
		return err
	}
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

// setTCP sets what is to hold for all of a stack's connections.
func setTCP(g *stack.Stack, options ...tcpip.SettableTransportProtocolOption) error {
	for _, o := range options {
		if err := g.SetTransportProtocolOption(tcp.ProtocolNumber, o); err != nil {
			return fmt.Errorf("gVisor refuses %T: %s", o, err)
		}
	}
	return nil
}

// attach puts a stack on a link, with the server's address and a route to everywhere.
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
