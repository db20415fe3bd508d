//go:build linux

package subject

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"minitcp/bench/report"
	"minitcp/stack/relay"
)

// Forwarders are the targets between a client and a server of Paths: a program that takes each connection and each UDP
// flow of the client from a TUN, and opens the same with the kernel's sockets. The program is the same for all stacks.
var Forwarders = []Target{
	{Name: "minitcp", Role: RoleForwarder, start: startForward(startMinitcpForward),
		Summary: "ForwardTCP, ForwardUDP and stack/relay on tun.Open, with defaults"},
	{Name: report.Shipped, Role: RoleForwarder, start: startForward(startShippedForward),
		Summary: "the same program on gVisor as tun2socks ships it: fdbased endpoint on a TUN without offloads, Reno, 1 MiB buffers"},
	{Name: report.Best, Role: RoleForwarder, start: startForward(startBestForward),
		Summary: "the same program on gVisor as fast as we could make it: superframes both ways, checksums trusted, large buffers"},
	{Name: Routed, Role: RoleRouted,
		Summary: "no forwarder: the kernel routes between two veth pairs, and the client's connections end at the server"},
}

// Routed is the name of the target without a forwarder.
const Routed = "routed"

// forwardProgram is the part of a forwarder that does not depend on the stack.
type forwardProgram struct {
	*services
	dialer net.Dialer
}

// startForward returns the function of a Target. The stack's device is in the namespace of clientNamespace, and sockets
// are in that of the process.
func startForward(start func(*forwardProgram) error) func(*services) error {
	return func(s *services) error {
		p := &forwardProgram{services: s}
		p.dialer.KeepAlive = -1
		p.dialer.Control = func(_, _ string, raw syscall.RawConn) (err error) {
			failed := raw.Control(func(fd uintptr) {
				err = unix.SetsockoptString(int(fd), unix.IPPROTO_TCP, unix.TCP_CONGESTION, CongestionControl)
			})
			return errors.Join(failed, err)
		}
		return client{}.Do(func() error {
			if err := start(p); err != nil {
				return err
			}
			return RouteClient()
		})
	}
}

// connect opens the connection to the server, and then takes the client's and relays between them. If the server
// refuses, so does connect.
func (p *forwardProgram) connect(ctx context.Context, to netip.AddrPort, accept func() (relay.Conn, error), refuse func() error) {
	server, err := p.dialer.DialTCP(ctx, "tcp4", netip.AddrPort{}, to)
	if errors.Is(err, syscall.ECONNREFUSED) {
		if err := refuse(); err != nil {
			p.fail("refusal: %v", err)
		}
		return
	}
	if err != nil {
		p.fail("%v", err)
		return
	}
	client, err := accept()
	if err != nil {
		server.Close()
		p.fail("accept: %v", err)
		return
	}
	p.accepted.Add(1)
	relay.Relay(client, server, relay.Config{}) // a reset by the client is an error, and ends many measurements
}

// flow relays the datagrams of a UDP flow through an unconnected socket until the flow ends.
func (p *forwardProgram) flow(client relay.Flow) {
	server, err := net.ListenUDP("udp4", nil)
	if err != nil {
		p.fail("%v", err)
		client.Close()
		return
	}
	if err := relay.Datagrams(client, server); err != nil {
		p.fail("datagrams: %v", err)
	}
}

// dialTime is the time after which a forwarder on gVisor gives up a connection, as in tun2socks. A request of minitcp
// has a context of its own.
const dialTime = 5 * time.Second
