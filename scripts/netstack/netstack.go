// Package netstack runs gVisor's netstack in virtual time, for comparisons with minitcp: its clock is set by the
// caller, its link is a function, and its random numbers come from a seed.
//
// gVisor works in goroutines. The caller pauses them after each packet, call and timer, which they do when they are
// idle, so that the same calls give the same packets.
package netstack

import (
	"fmt"
	"math/rand"
	randv2 "math/rand/v2"
	"net/netip"
	"sync"

	"gvisor.dev/gvisor/pkg/buffer"
	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/header"
	"gvisor.dev/gvisor/pkg/tcpip/network/ipv4"
	"gvisor.dev/gvisor/pkg/tcpip/network/ipv6"
	"gvisor.dev/gvisor/pkg/tcpip/stack"
	"gvisor.dev/gvisor/pkg/tcpip/transport/tcp"
)

// NIC is the number of the only interface of a [Stack].
const NIC = 1

// Config describes a [Stack].
type Config struct {
	MTU       int
	Addresses []netip.Prefix
	// Seed determines all random numbers.
	Seed uint64
	// Send is called for each outgoing packet, concurrently. It owns the packet.
	Send func(packet []byte)
}

// Stack is a gVisor stack whose link is a function.
type Stack struct {
	*stack.Stack
	Clock *Clock
	link  *link
}

// New returns a stack. It must be called outside a bubble of testing/synctest, because it starts goroutines.
func New(cfg Config) (*Stack, error) {
	s := &Stack{Clock: new(Clock), link: &link{send: cfg.Send, mtu: uint32(cfg.MTU)}}
	random := &source{ChaCha8: randv2.NewChaCha8([32]byte{0: byte(cfg.Seed), 1: byte(cfg.Seed >> 8), 2: byte(cfg.Seed >> 16), 3: byte(cfg.Seed >> 24)})}
	s.Stack = stack.New(stack.Options{
		NetworkProtocols:   []stack.NetworkProtocolFactory{ipv4.NewProtocol, ipv6.NewProtocol},
		TransportProtocols: []stack.TransportProtocolFactory{tcp.NewProtocol},
		Clock:              s.Clock,
		SecureRNG:          random,
		RandSource:         random,
	})
	if err := s.CreateNIC(NIC, s.link); err != nil {
		return nil, fmt.Errorf("interface: %v", err)
	}
	for _, p := range cfg.Addresses {
		protocol, address := Address(p.Addr())
		a := tcpip.ProtocolAddress{
			Protocol:          protocol,
			AddressWithPrefix: tcpip.AddressWithPrefix{Address: address, PrefixLen: p.Bits()},
		}
		if err := s.AddProtocolAddress(NIC, a, stack.AddressProperties{}); err != nil {
			return nil, fmt.Errorf("address %v: %v", p, err)
		}
	}
	s.SetRouteTable([]tcpip.Route{
		{Destination: header.IPv4EmptySubnet, NIC: NIC},
		{Destination: header.IPv6EmptySubnet, NIC: NIC},
	})
	sack := tcpip.TCPSACKEnabled(true)
	return s, s.Option(&sack)
}

// Option sets an option for all connections.
func (s *Stack) Option(o tcpip.SettableTransportProtocolOption) error {
	if err := s.SetTransportProtocolOption(tcp.ProtocolNumber, o); err != nil {
		return fmt.Errorf("%T: %v", o, err)
	}
	return nil
}

// Deliver passes an arriving packet to the stack, which validates it.
func (s *Stack) Deliver(packet []byte) {
	protocol := ipv4.ProtocolNumber
	if len(packet) > 0 && header.IPVersion(packet) == header.IPv6Version {
		protocol = ipv6.ProtocolNumber
	}
	p := stack.NewPacketBuffer(stack.PacketBufferOptions{Payload: buffer.MakeWithData(packet)})
	defer p.DecRef()
	s.link.deliver(protocol, p)
}

// WaitIdle waits until the goroutines of the stack are idle: only then do they pause. It pauses them twice, because the
// last may have given work to the first.
func (s *Stack) WaitIdle() {
	for range 2 {
		s.Pause()
		s.Resume()
	}
}

// Address returns the address in gVisor's form.
func Address(a netip.Addr) (tcpip.NetworkProtocolNumber, tcpip.Address) {
	if a.Is4() {
		return ipv4.ProtocolNumber, tcpip.AddrFrom4(a.As4())
	}
	return ipv6.ProtocolNumber, tcpip.AddrFrom16(a.As16())
}

// source is a source of random numbers for concurrent use.
type source struct {
	mu sync.Mutex
	*randv2.ChaCha8
}

// Read implements [io.Reader].
func (s *source) Read(b []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.ChaCha8.Read(b)
}

// Int63 implements [rand.Source].
func (s *source) Int63() int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return int64(s.ChaCha8.Uint64() >> 1)
}

// Seed implements [rand.Source]. It does nothing.
func (s *source) Seed(int64) {}

var _ rand.Source = (*source)(nil)

// link is a link endpoint of gVisor without offloads, so that gVisor computes and verifies every checksum.
type link struct {
	send func(packet []byte)
	mtu  uint32

	mu         sync.RWMutex
	dispatcher stack.NetworkDispatcher
}

func (l *link) Attach(d stack.NetworkDispatcher) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.dispatcher = d
}

func (l *link) deliver(protocol tcpip.NetworkProtocolNumber, packet *stack.PacketBuffer) {
	l.mu.RLock()
	d := l.dispatcher
	l.mu.RUnlock()
	if d != nil {
		d.DeliverNetworkPacket(protocol, packet)
	}
}

func (l *link) WritePackets(packets stack.PacketBufferList) (int, tcpip.Error) {
	for _, packet := range packets.AsSlice() {
		b := packet.ToBuffer()
		l.send(b.Flatten())
		b.Release()
	}
	return packets.Len(), nil
}

func (l *link) IsAttached() bool {
	l.mu.RLock()
	defer l.mu.RUnlock()
	return l.dispatcher != nil
}

func (l *link) MTU() uint32                                  { return l.mtu }
func (l *link) SetMTU(uint32)                                {}
func (l *link) MaxHeaderLength() uint16                      { return 0 }
func (l *link) LinkAddress() tcpip.LinkAddress               { return "" }
func (l *link) SetLinkAddress(tcpip.LinkAddress)             {}
func (l *link) Capabilities() stack.LinkEndpointCapabilities { return 0 }
func (l *link) Wait()                                        {}
func (l *link) ARPHardwareType() header.ARPHardwareType      { return header.ARPHardwareNone }
func (l *link) AddHeader(*stack.PacketBuffer)                {}
func (l *link) ParseHeader(*stack.PacketBuffer) bool         { return true }
func (l *link) Close()                                       {}
func (l *link) SetOnCloseAction(func())                      {}
