//go:build linux

package subject

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"sync"
	"time"

	"golang.org/x/sys/unix"
	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/adapters/gonet"
	"gvisor.dev/gvisor/pkg/tcpip/link/fdbased"
	"gvisor.dev/gvisor/pkg/tcpip/network/ipv4"
	"gvisor.dev/gvisor/pkg/tcpip/stack"
	"gvisor.dev/gvisor/pkg/tcpip/transport/tcp"
	"gvisor.dev/gvisor/pkg/tcpip/transport/udp"
	"gvisor.dev/gvisor/pkg/waiter"

	"minitcp/stack/relay"
)

// startShippedForward sets gVisor up as startShipped does, and copies with buffers of tun2socks's size.
func startShippedForward(p *forwardProgram) error {
	link, err := shippedLink()
	if err != nil {
		return err
	}
	g := newForwardStack()
	if err := setShipped(g); err != nil {
		return err
	}
	return p.forwardGVisor(g, link, 20<<10, p.flowSingly)
}

// startBestForward sets gVisor up as startBest does, and copies with buffers of the size of a superframe.
func startBestForward(p *forwardProgram) error {
	link, err := newLink()
	if err != nil {
		return err
	}
	g := newForwardStack()
	if err := setBest(g); err != nil {
		return err
	}
	return p.forwardGVisor(g, link, 64<<10, func(f *gvisorFlow) { p.flow(f) })
}

func newForwardStack() *stack.Stack {
	return stack.New(stack.Options{
		NetworkProtocols:   []stack.NetworkProtocolFactory{ipv4.NewProtocol},
		TransportProtocols: []stack.TransportProtocolFactory{tcp.NewProtocol, udp.NewProtocol},
	})
}

// inFlight is the number of pending requests of gVisor's forwarder in tun2socks.
const inFlight = 2048

// forwardGVisor makes g forward over link. The relay's buffers have the size given, in bytes. Flow serves a UDP flow.
func (p *forwardProgram) forwardGVisor(g *stack.Stack, link stack.LinkEndpoint, size int, flow func(*gvisorFlow)) error {
	buffers := &sync.Pool{New: func() any { b := make([]byte, size); return &b }}
	requests := tcp.NewForwarder(g, 0, inFlight, func(r *tcp.ForwarderRequest) { // on a goroutine of its own
		ctx, cancel := context.WithTimeout(context.Background(), dialTime)
		defer cancel()
		id := r.ID()
		p.connect(ctx, addrPort(id.LocalAddress, id.LocalPort), func() (relay.Conn, error) { return acceptGVisor(r, buffers) },
			func() error { r.Complete(true); return nil })
	})
	flows := udp.NewForwarder(g, func(r *udp.ForwarderRequest) bool {
		queue := new(waiter.Queue)
		id := r.ID()
		endpoint, err := r.CreateEndpoint(queue)
		if err != nil {
			p.fail("gVisor does not take a flow: %s", err)
			return true
		}
		go flow(newGVisorFlow(queue, endpoint, addrPort(id.LocalAddress, id.LocalPort)))
		return true
	})
	g.SetTransportProtocolHandler(tcp.ProtocolNumber, requests.HandlePacket)
	g.SetTransportProtocolHandler(udp.ProtocolNumber, flows.HandlePacket)
	return attachAny(g, link)
}

// attachAny is attach for a stack that forwards: it takes packets to any address.
func attachAny(g *stack.Stack, link stack.LinkEndpoint) error {
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

func addrPort(a tcpip.Address, port uint16) netip.AddrPort {
	return netip.AddrPortFrom(netip.AddrFrom4(a.As4()), port)
}

// acceptGVisor completes the client's handshake.
func acceptGVisor(r *tcp.ForwarderRequest, buffers *sync.Pool) (relay.Conn, error) {
	queue := new(waiter.Queue)
	endpoint, err := r.CreateEndpoint(queue)
	if err != nil {
		r.Complete(true)
		return nil, errors.New(err.String())
	}
	r.Complete(false)
	if err := keepAlive(endpoint); err != nil {
		return nil, err
	}
	return &gvisorConn{gonet.NewTCPConn(queue, endpoint), endpoint, buffers}, nil
}

// keepAlive sets tun2socks's keep-alives.
func keepAlive(endpoint tcpip.Endpoint) error {
	idle, interval := tcpip.KeepaliveIdleOption(60*time.Second), tcpip.KeepaliveIntervalOption(30*time.Second)
	endpoint.SocketOptions().SetKeepAlive(true)
	for _, err := range []tcpip.Error{endpoint.SetSockOpt(&idle), endpoint.SetSockOpt(&interval), endpoint.SetSockOptInt(tcpip.KeepaliveCountOption, 9)} {
		if err != nil {
			return fmt.Errorf("gVisor refuses keep-alives: %s", err)
		}
	}
	return nil
}

// gvisorConn is a connection of gVisor that a relay can reset, and that copies with pooled buffers.
type gvisorConn struct {
	*gonet.TCPConn
	endpoint tcpip.Endpoint
	buffers  *sync.Pool
}

// SetLinger implements [relay.Conn].
func (c *gvisorConn) SetLinger(seconds int) error {
	c.endpoint.SocketOptions().SetLinger(tcpip.LingerOption{Enabled: seconds >= 0, Timeout: time.Duration(seconds) * time.Second})
	return nil
}

// ReadFrom and WriteTo keep io.Copy from a buffer of its own.

func (c *gvisorConn) ReadFrom(r io.Reader) (int64, error) { return c.copy(c.TCPConn, r) }
func (c *gvisorConn) WriteTo(w io.Writer) (int64, error)  { return c.copy(w, c.TCPConn) }

func (c *gvisorConn) copy(dst io.Writer, src io.Reader) (int64, error) {
	b := c.buffers.Get().(*[]byte)
	defer c.buffers.Put(b)
	return io.CopyBuffer(struct{ io.Writer }{dst}, struct{ io.Reader }{src}, *b)
}

// shippedLink returns tun2socks's link endpoint: fdbased on a TUN without offloads.
func shippedLink() (stack.LinkEndpoint, error) {
	fd, err := openTUN(0)
	if err != nil {
		return nil, err
	}
	if err := unix.SetNonblock(fd, true); err != nil {
		return nil, err
	}
	if err := configureTUN(0); err != nil {
		return nil, err
	}
	return fdbased.New(&fdbased.Options{FDs: []int{fd}, MTU: mtu, PacketDispatchMode: fdbased.Readv})
}
