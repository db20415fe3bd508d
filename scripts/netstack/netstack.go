package reference

import (
	"net/netip"
	"sync"
	"testing"

	"gvisor.dev/gvisor/pkg/buffer"
	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/header"
	"gvisor.dev/gvisor/pkg/tcpip/network/ipv4"
	"gvisor.dev/gvisor/pkg/tcpip/network/ipv6"
	"gvisor.dev/gvisor/pkg/tcpip/stack"
	"gvisor.dev/gvisor/pkg/tcpip/transport/tcp"
)

const (
	mtu = 1500
	nic = 1
)

// gvisor is a gVisor stack whose link is a function.
type gvisor struct {
	stack *stack.Stack
	clock *clock
	port  *port
}

// newGvisor returns a stack with the addresses. It passes outgoing packets to send, which is called concurrently. It
// must be called outside a bubble, because it starts goroutines.
func newGvisor(t *testing.T, addresses []netip.Prefix, send func(packet []byte)) *gvisor {
	t.Helper()
	g := &gvisor{clock: new(clock), port: &port{send: send}}
	g.stack = stack.New(stack.Options{
		NetworkProtocols:   []stack.NetworkProtocolFactory{ipv4.NewProtocol, ipv6.NewProtocol},
		TransportProtocols: []stack.TransportProtocolFactory{tcp.NewProtocol},
		Clock:              g.clock,
	})
	if err := g.stack.CreateNIC(nic, g.port); err != nil {
		t.Fatal(err)
	}
	for _, p := range addresses {
		protocol, address := address(p.Addr())
		a := tcpip.ProtocolAddress{
			Protocol:          protocol,
			AddressWithPrefix: tcpip.AddressWithPrefix{Address: address, PrefixLen: p.Bits()},
		}
		if err := g.stack.AddProtocolAddress(nic, a, stack.AddressProperties{}); err != nil {
			t.Fatal(err)
		}
	}
	g.stack.SetRouteTable([]tcpip.Route{
		{Destination: header.IPv4EmptySubnet, NIC: nic},
		{Destination: header.IPv6EmptySubnet, NIC: nic},
	})
	sack := tcpip.TCPSACKEnabled(true)
	g.option(t, &sack)
	return g
}

// option sets an option for all connections.
func (g *gvisor) option(t *testing.T, o tcpip.SettableTransportProtocolOption) {
	t.Helper()
	if err := g.stack.SetTransportProtocolOption(tcp.ProtocolNumber, o); err != nil {
		t.Fatalf("%T: %v", o, err)
	}
}

// deliver passes an arriving packet to the stack, which validates it.
func (g *gvisor) deliver(packet []byte) {
	protocol := ipv4.ProtocolNumber
	if len(packet) > 0 && header.IPVersion(packet) == header.IPv6Version {
		protocol = ipv6.ProtocolNumber
	}
	p := stack.NewPacketBuffer(stack.PacketBufferOptions{Payload: buffer.MakeWithData(packet)})
	defer p.DecRef()
	g.port.deliver(protocol, p)
}

// waitIdle waits until the goroutines of the stack are idle: only then do they pause. It pauses them twice, because the
// last may have given work to the first.
func (g *gvisor) waitIdle() {
	for range 2 {
		g.stack.Pause()
		g.stack.Resume()
	}
}

// close ends the stack. No connection may be open.
func (g *gvisor) close() { g.stack.Destroy() }

// address returns the address in gVisor's form.
func address(a netip.Addr) (tcpip.NetworkProtocolNumber, tcpip.Address) {
	if a.Is4() {
		return ipv4.ProtocolNumber, tcpip.AddrFrom4(a.As4())
	}
	return ipv6.ProtocolNumber, tcpip.AddrFrom16(a.As16())
}

// port is a link endpoint of gVisor without offloads, so that gVisor computes and verifies every checksum.
type port struct {
	send func(packet []byte)

	mu         sync.RWMutex
	dispatcher stack.NetworkDispatcher
}

func (p *port) Attach(d stack.NetworkDispatcher) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.dispatcher = d
}

func (p *port) deliver(protocol tcpip.NetworkProtocolNumber, packet *stack.PacketBuffer) {
	p.mu.RLock()
	d := p.dispatcher
	p.mu.RUnlock()
	if d != nil {
		d.DeliverNetworkPacket(protocol, packet)
	}
}

func (p *port) WritePackets(packets stack.PacketBufferList) (int, tcpip.Error) {
	for _, packet := range packets.AsSlice() {
		b := packet.ToBuffer()
		p.send(b.Flatten())
		b.Release()
	}
	return packets.Len(), nil
}

func (p *port) IsAttached() bool {
	p.mu.RLock()
	defer p.mu.RUnlock()
	return p.dispatcher != nil
}

func (p *port) MTU() uint32                                  { return mtu }
func (p *port) SetMTU(uint32)                                {}
func (p *port) MaxHeaderLength() uint16                      { return 0 }
func (p *port) LinkAddress() tcpip.LinkAddress               { return "" }
func (p *port) SetLinkAddress(tcpip.LinkAddress)             {}
func (p *port) Capabilities() stack.LinkEndpointCapabilities { return 0 }
func (p *port) Wait()                                        {}
func (p *port) ARPHardwareType() header.ARPHardwareType      { return header.ARPHardwareNone }
func (p *port) AddHeader(*stack.PacketBuffer)                {}
func (p *port) ParseHeader(*stack.PacketBuffer) bool         { return true }
func (p *port) Close()                                       {}
func (p *port) SetOnCloseAction(func())                      {}
